//! What is left of a device that is no more: its session, and what is retained of it.

use super::door::{device_client, read_retained};
use super::{DriverError, House};
use crate::client::{Client, Message, Options};
use crate::device::{HomieTopics, discovery_topic};
use crate::mqtt::QoS;

/// Clears it all away. The client that does so takes the place of the device's, and its session with it.
pub(super) async fn forget(house: &House, id: &str) -> Result<(), DriverError> {
    let gateway = &house.settings.gateway;
    let mut topics = read_retained(&house.connect, &format!("{}/{id}/#", gateway.base)).await?;
    let homie = HomieTopics::new(&gateway.id, id);
    topics.extend(read_retained(&house.connect, &format!("{}/#", homie.all())).await?);
    let options = Options { keep_alive: 0, ..Options::new(device_client(&gateway.base, id)) };
    let (mut client, _) = Client::connect(house.connect.open().await?, &options).await?;
    let discovery = discovery_topic(&gateway.id, id);
    for topic in topics.into_keys().chain(std::iter::once(discovery)) {
        client.publish(Message::new(topic, "").retained().qos(QoS::ExactlyOnce))?;
    }
    client.settle().await?;
    Ok(client.disconnect().await?)
}
