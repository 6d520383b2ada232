//! The devices that run, each with an end of its own: another configuration touches only what it changes.

use super::modbus::BusDoor;
use super::simulation::Simulation;
use super::{House, forget, supervise};
use crate::config::{BusSettings, DeviceSettings, Settings};
use crate::device::Interlock;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Everything of a configuration that one device depends on.
#[derive(Clone, Debug, PartialEq)]
struct Needs {
    device: DeviceSettings,
    bus: Option<BusSettings>,
    interlocks: Vec<Interlock>,
}

/// Something that runs by itself until it is told to stop.
struct Unit<N> {
    needs: N,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl<N> Unit<N> {
    /// Tells it to stop and waits until it has.
    async fn end(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            task.await.expect("supervisors do not panic");
        }
    }
}

/// Whether a bus is shared by devices counts too: then it has a task of its own.
type BusNeeds = (BusSettings, bool);

/// All devices and buses that run.
pub(super) struct Fleet {
    house: House,
    devices: BTreeMap<String, Unit<Needs>>,
    buses: BTreeMap<String, Unit<BusNeeds>>,
}

impl Fleet {
    /// Starts everything.
    pub(super) fn start(house: House) -> Self {
        let mut fleet = Self { house, devices: BTreeMap::new(), buses: BTreeMap::new() };
        fleet.start_missing();
        fleet
    }

    /// The house as it is now.
    pub(super) fn house(&self) -> &House {
        &self.house
    }

    /// Goes over to another configuration: what is not in it any more, or is another there, stops; what is new starts;
    /// everything else goes on and does not notice.
    pub(super) async fn change(&mut self, settings: Arc<Settings>) {
        let wanted: BTreeMap<&str, Needs> =
            settings.devices.iter().map(|d| (d.id.as_str(), needs(&settings, d))).collect();
        let is_same = |id: &str, unit: &Unit<Needs>| wanted.get(id).is_some_and(|needs| *needs == unit.needs);
        let ended = split(&mut self.devices, is_same);
        let removed: BTreeSet<String> = ended.keys().filter(|id| !wanted.contains_key(id.as_str())).cloned().collect();
        tracing::info!(changed = ended.len() - removed.len(), removed = removed.len(), "another configuration");
        end_all(ended).await;
        let buses: BTreeMap<&str, BusNeeds> =
            settings.buses.iter().map(|bus| (bus.id.as_str(), bus_needs(&settings, bus))).collect();
        let ended = split(&mut self.buses, |id, unit| buses.get(id).is_some_and(|needs| *needs == unit.needs));
        end_all(ended).await;
        let doors = settings.shared_buses().map(|bus| {
            let running = self.buses.get(&bus.id).and_then(|_| self.house.buses.get(&bus.id));
            (bus.id.clone(), running.cloned().unwrap_or_else(BusDoor::new))
        });
        let doors = Arc::new(doors.collect());
        self.house.interlocks.replace(settings.interlocks.clone());
        let simulation = Simulation::again(&self.house.simulation, &settings);
        self.house = House { settings, simulation, buses: doors, ..self.house.clone() };
        for id in removed {
            if let Err(error) = forget::forget(&self.house, &id).await {
                tracing::warn!(device = id, %error, "what is retained of it could not be cleared");
            }
        }
        self.start_missing();
    }

    /// Stops the devices, all at once: their outputs go into their failsafe states.
    pub(super) async fn end_devices(&mut self) {
        end_all(std::mem::take(&mut self.devices)).await;
    }

    /// Stops the buses: what devices needed to get into their failsafe states.
    pub(super) async fn end_buses(&mut self) {
        end_all(std::mem::take(&mut self.buses)).await;
    }

    fn start_missing(&mut self) {
        let settings = self.house.settings.clone();
        for (index, bus) in settings.buses.iter().enumerate() {
            if self.buses.contains_key(&bus.id) {
                continue;
            }
            let (stop, stopped) = watch::channel(false);
            let tasks = vec![
                tokio::spawn(supervise::simulated_peer(self.house.clone(), index, stopped.clone())),
                tokio::spawn(supervise::bus(self.house.clone(), index, stopped)),
            ];
            self.buses.insert(bus.id.clone(), Unit { needs: bus_needs(&settings, bus), stop, tasks });
        }
        for (index, device) in settings.devices.iter().enumerate() {
            if self.devices.contains_key(&device.id) {
                continue;
            }
            let (stop, stopped) = watch::channel(false);
            let tasks = vec![tokio::spawn(supervise::device(self.house.clone(), index, stopped))];
            self.devices.insert(device.id.clone(), Unit { needs: needs(&settings, device), stop, tasks });
        }
    }
}

/// Takes away what does not stay.
fn split<N>(
    units: &mut BTreeMap<String, Unit<N>>,
    stays: impl Fn(&str, &Unit<N>) -> bool,
) -> BTreeMap<String, Unit<N>> {
    let (stay, end) = std::mem::take(units).into_iter().partition(|(id, unit)| stays(id, unit));
    *units = stay;
    end
}

async fn end_all<N>(units: BTreeMap<String, Unit<N>>) {
    for unit in units.values() {
        unit.stop.send_replace(true);
    }
    for unit in units.into_values() {
        unit.end().await;
    }
}

fn needs(settings: &Settings, device: &DeviceSettings) -> Needs {
    let bus = device.driver.bus().and_then(|id| settings.buses.iter().find(|bus| bus.id == id));
    let own = format!("{}/", device.id);
    let names_it = |group: &&Interlock| group.outputs.iter().any(|output| output.starts_with(&own));
    let interlocks = settings.interlocks.iter().filter(names_it).cloned().collect();
    Needs { device: device.clone(), bus: bus.cloned(), interlocks }
}

fn bus_needs(settings: &Settings, bus: &BusSettings) -> BusNeeds {
    (bus.clone(), settings.shared_buses().any(|shared| shared.id == bus.id))
}
