//! Who wants what: every filter once, wildcards in a tree.
//!
//! A topic name finds its exact filter by one hash of the whole name. Filters with wildcards hang in a tree
//! whose edges live in one table keyed by (node, level), so that a node costs no map of its own. A shared
//! subscription is a filter of its own that hangs on the filter its members share.

use super::few::Few;
use super::ids::SessionKey;
use super::level::Level;
use crate::mqtt::packet::SubscriptionOptions;
use crate::mqtt::{SharedFilter, TopicFilter};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use std::collections::BTreeMap;
use std::hash::BuildHasher;

/// One session's subscription to one filter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subscriber {
    /// Whose it is.
    pub session: SessionKey,
    /// How it wants its messages.
    pub options: SubscriptionOptions,
    /// Subscription identifier; 0 for none.
    pub identifier: u32,
}

/// A filter's place in the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FilterId(pub(super) u32);

/// A shared subscription from its first member to its last. A number is not used again for another, so that messages that
/// outlive the group are not taken for those of the next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ShareId(pub(super) u32);

impl ShareId {
    /// No shared subscription.
    pub const NONE: ShareId = ShareId(u32::MAX);
}

#[derive(Debug)]
struct Filter {
    text: Box<str>,
    /// Its node in the tree; 0 (the root) for filters without wildcard.
    node: u32,
    subscribers: Few<Subscriber>,
    /// What few filters have.
    sharing: Option<Box<Sharing>>,
}

/// What a filter has to do with shared subscriptions.
#[derive(Debug, Default)]
struct Sharing {
    /// Shared subscriptions to this filter.
    shared: Vec<FilterId>,
    /// For a shared subscription: the filter its members share, and the member whose turn it is.
    share: Option<Share>,
}

#[derive(Clone, Copy, Debug)]
struct Share {
    id: ShareId,
    inner: FilterId,
    turn: u32,
}

impl Filter {
    #[inline]
    fn shared(&self) -> &[FilterId] {
        self.sharing.as_ref().map_or(&[], |sharing| &sharing.shared)
    }

    #[inline]
    fn share(&self) -> Option<Share> {
        self.sharing.as_ref()?.share
    }

    fn sharing(&mut self) -> &mut Sharing {
        self.sharing.get_or_insert_default()
    }
}

/// A node of the tree; node 0 is the root. Numbers of filters are stored plus one, 0 is none.
#[derive(Debug, Default)]
struct Node {
    parent: u32,
    level: Level,
    children: u32,
    /// The filter that ends here.
    filter: u32,
    /// The filter that ends in `#` below this node.
    hash: u32,
    /// The child for `+`.
    plus: u32,
}

/// All subscriptions.
#[derive(Debug)]
pub struct Subscriptions {
    filters: Vec<Filter>,
    free_filters: Vec<u32>,
    by_text: HashTable<u32>,
    /// Shared subscriptions, and the number the last one got.
    shares: BTreeMap<ShareId, FilterId>,
    last_share: u32,
    nodes: Vec<Node>,
    free_nodes: Vec<u32>,
    edges: HashTable<u32>,
    wildcards: usize,
    count: usize,
    hasher: FixedState,
}

impl Default for Subscriptions {
    fn default() -> Self {
        Subscriptions {
            filters: vec![],
            free_filters: vec![],
            by_text: HashTable::new(),
            shares: BTreeMap::new(),
            last_share: 0,
            nodes: vec![Node::default()],
            free_nodes: vec![],
            edges: HashTable::new(),
            wildcards: 0,
            count: 0,
            hasher: FixedState::default(),
        }
    }
}

impl Subscriptions {
    /// How many subscriptions there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The text of a filter.
    pub fn text(&self, filter: FilterId) -> &str {
        &self.filters[filter.0 as usize].text
    }

    /// Who subscribed to a filter.
    #[inline]
    pub fn subscribers(&self, filter: FilterId) -> &[Subscriber] {
        self.filters[filter.0 as usize].subscribers.as_slice()
    }

    /// Shared subscriptions to a filter; their subscribers are the members.
    #[inline]
    pub fn shared(&self, filter: FilterId) -> &[FilterId] {
        self.filters[filter.0 as usize].shared()
    }

    /// How many shared subscriptions there are.
    pub fn shared_count(&self) -> usize {
        self.shares.len()
    }

    /// A shared subscription that still has members.
    pub fn find_share(&self, share: ShareId) -> Option<FilterId> {
        self.shares.get(&share).copied()
    }

    /// Which shared subscription a filter is; [`ShareId::NONE`] if it is none.
    pub fn share_of(&self, filter: FilterId) -> ShareId {
        self.filters[filter.0 as usize].share().map_or(ShareId::NONE, |share| share.id)
    }

    /// Counts the turns of a shared subscription; tells the number of this one.
    pub fn next_turn(&mut self, filter: FilterId) -> u32 {
        let sharing = self.filters[filter.0 as usize].sharing.as_mut();
        let Some(share) = sharing.and_then(|sharing| sharing.share.as_mut()) else { return 0 };
        share.turn = share.turn.wrapping_add(1);
        share.turn
    }

    /// Adds a subscription, or replaces the session's earlier one to the same filter.
    /// Tells the filter and whether the subscription is new.
    pub fn insert(&mut self, text: &str, subscriber: Subscriber) -> (FilterId, bool) {
        let id = self.find(text).unwrap_or_else(|| match shared_filter(text) {
            Some(shared) => self.add_shared(text, shared),
            None => self.add_filter(text),
        });
        let subscribers = &mut self.filters[id.0 as usize].subscribers;
        if let Some(old) = subscribers.as_mut_slice().iter_mut().find(|old| old.session == subscriber.session) {
            *old = subscriber;
            return (id, false);
        }
        subscribers.push(subscriber);
        self.count += 1;
        (id, true)
    }

    /// The filter with this text, if anyone subscribed to it.
    #[inline]
    pub fn find(&self, text: &str) -> Option<FilterId> {
        let hash = self.hasher.hash_one(text);
        self.by_text.find(hash, |&id| *self.filters[id as usize].text == *text).map(|&id| FilterId(id))
    }

    /// Removes a session's subscription; tells whether there was one.
    pub fn remove(&mut self, filter: FilterId, session: SessionKey) -> bool {
        let subscribers = &mut self.filters[filter.0 as usize].subscribers;
        let before = subscribers.as_slice().len();
        subscribers.retain(|subscriber| subscriber.session != session);
        let removed = before - subscribers.as_slice().len();
        self.count -= removed;
        self.remove_if_unused(filter);
        removed > 0
    }

    fn remove_if_unused(&mut self, id: FilterId) {
        let filter = &mut self.filters[id.0 as usize];
        if !filter.subscribers.as_slice().is_empty() || !filter.shared().is_empty() {
            return;
        }
        let share = filter.share();
        filter.sharing = None;
        self.remove_filter(id.0);
        if let Some(share) = share {
            self.shares.remove(&share.id);
            self.filters[share.inner.0 as usize].sharing().shared.retain(|&other| other != id);
            self.remove_if_unused(share.inner);
        }
    }

    /// Appends every filter that matches the topic name.
    #[inline]
    pub fn matching(&self, topic: &str, hits: &mut Vec<FilterId>) {
        if let Some(exact) = self.find(topic)
            && self.filters[exact.0 as usize].share().is_none()
        {
            hits.push(exact);
        }
        if self.wildcards > 0 {
            // [MQTT-4.7.2-1]: wildcards in the first level do not match names that begin with $.
            self.walk(0, Some(topic.as_bytes()), !topic.starts_with('$'), hits);
        }
    }

    fn walk(&self, node: u32, rest: Option<&[u8]>, wildcards: bool, hits: &mut Vec<FilterId>) {
        let here = &self.nodes[node as usize];
        if here.hash != 0 && wildcards {
            hits.push(FilterId(here.hash - 1));
        }
        let Some(rest) = rest else {
            if here.filter != 0 {
                hits.push(FilterId(here.filter - 1));
            }
            return;
        };
        let (level, rest) = match rest.iter().position(|&byte| byte == b'/') {
            Some(end) => (&rest[..end], Some(&rest[end + 1..])),
            None => (rest, None),
        };
        if here.plus != 0 && wildcards {
            self.walk(here.plus, rest, true, hits);
        }
        if here.children > u32::from(here.plus != 0)
            && let Some(child) = self.child(node, level)
        {
            self.walk(child, rest, true, hits);
        }
    }

    fn edge_hash(hasher: &FixedState, parent: u32, level: &[u8]) -> u64 {
        hasher.hash_one((parent, level))
    }

    fn child(&self, parent: u32, level: &[u8]) -> Option<u32> {
        let hash = Self::edge_hash(&self.hasher, parent, level);
        let is_edge = |&node: &u32| {
            let node = &self.nodes[node as usize];
            node.parent == parent && node.level.as_bytes() == level
        };
        self.edges.find(hash, is_edge).copied()
    }

    fn add_shared(&mut self, text: &str, shared: SharedFilter<'_>) -> FilterId {
        let inner = shared.filter.as_str();
        let inner = self.find(inner).unwrap_or_else(|| self.add_filter(inner));
        let id = self.add_text(text);
        let share = self.new_share();
        self.shares.insert(share, id);
        self.filters[id.0 as usize].sharing().share = Some(Share { id: share, inner, turn: 0 });
        self.filters[inner.0 as usize].sharing().shared.push(id);
        id
    }

    fn new_share(&mut self) -> ShareId {
        loop {
            self.last_share = self.last_share.wrapping_add(1);
            let share = ShareId(self.last_share);
            if share != ShareId::NONE && !self.shares.contains_key(&share) {
                return share;
            }
        }
    }

    fn add_filter(&mut self, text: &str) -> FilterId {
        let id = self.add_text(text);
        if text.contains(['+', '#']) {
            self.filters[id.0 as usize].node = self.add_path(text, id.0);
            self.wildcards += 1;
        }
        id
    }

    fn add_text(&mut self, text: &str) -> FilterId {
        let filter = Filter { text: text.into(), node: 0, subscribers: Few::None, sharing: None };
        let id = if let Some(id) = self.free_filters.pop() {
            self.filters[id as usize] = filter;
            id
        } else {
            self.filters.push(filter);
            self.filters.len() as u32 - 1
        };
        let (filters, hasher) = (&self.filters, &self.hasher);
        let hash = hasher.hash_one(text);
        self.by_text.insert_unique(hash, id, |&id| hasher.hash_one(&*filters[id as usize].text));
        FilterId(id)
    }

    fn add_path(&mut self, text: &str, filter: u32) -> u32 {
        let mut node = 0;
        for level in text.as_bytes().split(|&byte| byte == b'/') {
            match level {
                b"#" => {
                    self.nodes[node as usize].hash = filter + 1;
                    return node;
                }
                _ => node = self.child(node, level).unwrap_or_else(|| self.add_node(node, level)),
            }
        }
        self.nodes[node as usize].filter = filter + 1;
        node
    }

    fn add_node(&mut self, parent: u32, level: &[u8]) -> u32 {
        let node = Node { parent, level: Level::new(level), ..Node::default() };
        let id = if let Some(id) = self.free_nodes.pop() {
            self.nodes[id as usize] = node;
            id
        } else {
            self.nodes.push(node);
            self.nodes.len() as u32 - 1
        };
        self.nodes[parent as usize].children += 1;
        if level == b"+" {
            self.nodes[parent as usize].plus = id;
        }
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        let rehash =
            |&id: &u32| Self::edge_hash(hasher, nodes[id as usize].parent, nodes[id as usize].level.as_bytes());
        self.edges.insert_unique(Self::edge_hash(hasher, parent, level), id, rehash);
        id
    }

    fn remove_filter(&mut self, id: u32) {
        let text = std::mem::take(&mut self.filters[id as usize].text);
        let hash = self.hasher.hash_one(&*text);
        if let Ok(entry) = self.by_text.find_entry(hash, |&other| other == id) {
            entry.remove();
        }
        self.free_filters.push(id);
        let hangs_in_tree = text.contains(['+', '#']) && shared_filter(&text).is_none();
        if hangs_in_tree {
            self.wildcards -= 1;
            let node = &mut self.nodes[self.filters[id as usize].node as usize];
            if text.ends_with('#') {
                node.hash = 0;
            } else {
                node.filter = 0;
            }
            self.prune(self.filters[id as usize].node);
        }
    }

    /// Removes a node that leads nowhere, and then its parent if that leads nowhere.
    fn prune(&mut self, mut node: u32) {
        while node != 0 {
            let here = &self.nodes[node as usize];
            if here.children > 0 || here.filter != 0 || here.hash != 0 {
                return;
            }
            let parent = here.parent;
            let hash = Self::edge_hash(&self.hasher, parent, here.level.as_bytes());
            if let Ok(entry) = self.edges.find_entry(hash, |&other| other == node) {
                entry.remove();
            }
            let above = &mut self.nodes[parent as usize];
            above.children -= 1;
            if above.plus == node {
                above.plus = 0;
            }
            self.nodes[node as usize].level = Level::default();
            self.free_nodes.push(node);
            node = parent;
        }
    }
}

/// The group and the filter, if the text is a filter of a shared subscription.
fn shared_filter(text: &str) -> Option<SharedFilter<'_>> {
    TopicFilter::new(text).ok()?.shared().ok()?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::{QoS, TopicName, matches};

    fn subscriber(session: u32) -> Subscriber {
        let options = SubscriptionOptions::plain(QoS::AtMostOnce);
        Subscriber { session: SessionKey(session), options, identifier: 0 }
    }

    fn matching<'a>(subscriptions: &'a Subscriptions, topic: &str) -> Vec<&'a str> {
        let mut hits = vec![];
        subscriptions.matching(topic, &mut hits);
        let mut texts: Vec<_> = hits.into_iter().map(|id| subscriptions.text(id)).collect();
        texts.sort_unstable();
        texts
    }

    /// All texts of up to three levels over a small alphabet.
    fn texts(levels: &[&str]) -> Vec<String> {
        let mut all: Vec<String> = levels.iter().map(ToString::to_string).collect();
        let mut last = all.clone();
        for _ in 1..3 {
            last = last.iter().flat_map(|t| levels.iter().map(move |l| format!("{t}/{l}"))).collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    #[test]
    fn a_filter_stays_small() {
        assert!(size_of::<Filter>() <= 48, "{} bytes for each subscription of a house", size_of::<Filter>());
    }

    #[test]
    fn the_tree_agrees_with_matching_one_by_one() {
        let filters: Vec<String> =
            texts(&["a", "$b", "", "+", "#"]).into_iter().filter(|t| TopicFilter::new(t).is_ok()).collect();
        let topics: Vec<String> =
            texts(&["a", "$b", "", "c"]).into_iter().filter(|t| TopicName::new(t).is_ok()).collect();
        let mut subscriptions = Subscriptions::default();
        for (number, filter) in filters.iter().enumerate() {
            subscriptions.insert(filter, subscriber(number as u32));
        }
        for topic in &topics {
            let mut expected: Vec<&str> = filters
                .iter()
                .map(String::as_str)
                .filter(|f| matches(TopicFilter::new(f).expect("valid"), TopicName::new(topic).expect("valid")))
                .collect();
            expected.sort_unstable();
            assert_eq!(matching(&subscriptions, topic), expected, "{topic}");
        }
    }

    #[test]
    fn removing_every_subscription_leaves_an_empty_tree() {
        let mut subscriptions = Subscriptions::default();
        let filters = ["a/+/c", "a/+/#", "a/b", "#", "+", "a/+/c/d"];
        let ids: Vec<_> = filters.iter().map(|f| subscriptions.insert(f, subscriber(1)).0).collect();
        assert_eq!(matching(&subscriptions, "a/b/c"), ["#", "a/+/#", "a/+/c"]);
        for id in ids {
            assert!(subscriptions.remove(id, SessionKey(1)));
        }
        assert_eq!(matching(&subscriptions, "a/b/c"), [""; 0]);
        assert_eq!((subscriptions.count(), subscriptions.edges.len(), subscriptions.by_text.len()), (0, 0, 0));
        assert_eq!(subscriptions.free_nodes.len(), subscriptions.nodes.len() - 1);
    }

    #[test]
    fn shared_subscriptions_hang_on_the_filter_they_share() {
        let mut subscriptions = Subscriptions::default();
        let (shared, _) = subscriptions.insert("$share/g/a/+", subscriber(1));
        subscriptions.insert("$share/g/a/+", subscriber(2));
        let (other, _) = subscriptions.insert("$share/h/a/+", subscriber(1));
        assert_eq!(matching(&subscriptions, "a/b"), ["a/+"]);
        assert_eq!(matching(&subscriptions, "$share/g/a/+"), [""; 0]);
        let inner = subscriptions.find("a/+").expect("made with the first shared subscription");
        assert_eq!(subscriptions.shared(inner), [shared, other]);
        assert!(subscriptions.subscribers(inner).is_empty());
        for (filter, session) in [(shared, 1), (other, 1), (shared, 2)] {
            assert!(subscriptions.remove(filter, SessionKey(session)));
        }
        assert_eq!((subscriptions.edges.len(), subscriptions.by_text.len(), subscriptions.wildcards), (0, 0, 0));
    }

    #[test]
    fn a_second_subscription_to_a_filter_replaces_the_first() {
        let mut subscriptions = Subscriptions::default();
        let (id, new) = subscriptions.insert("a", subscriber(1));
        assert!(new);
        let changed = Subscriber { identifier: 7, ..subscriber(1) };
        assert_eq!(subscriptions.insert("a", changed), (id, false));
        assert_eq!(subscriptions.subscribers(id), [changed]);
        assert_eq!(subscriptions.count(), 1);
    }

    #[test]
    fn a_shared_subscription_is_not_taken_for_one_that_is_gone() {
        let mut subscriptions = Subscriptions::default();
        let (old, _) = subscriptions.insert("$share/g/a", subscriber(1));
        let share = subscriptions.share_of(old);
        assert_eq!(subscriptions.find_share(share), Some(old));
        subscriptions.remove(old, SessionKey(1));
        let (new, _) = subscriptions.insert("$share/h/b", subscriber(2));
        assert_eq!((subscriptions.find_share(share), subscriptions.shared_count()), (None, 1));
        assert_ne!(subscriptions.share_of(new), share);
    }
}
