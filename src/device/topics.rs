//! The topic names of one device.

/// Topic names below one device's own level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceTopics {
    prefix: String,
}

/// What a message that reached the device asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'t> {
    /// `…/PROPERTY/set`
    Set(&'t str),
    /// `…/PROPERTY/get`
    Get(&'t str),
    /// `…/PROPERTY`: the device's own retained value, from before it started.
    Last(&'t str),
}

impl DeviceTopics {
    /// The names of device `id` below `base`.
    pub fn new(base: &str, id: &str) -> Self {
        Self { prefix: format!("{base}/{id}/") }
    }

    /// A property's value.
    pub fn property(&self, property: &str) -> String {
        format!("{}{property}", self.prefix)
    }

    /// The state that a property is to have and has not yet.
    pub fn target(&self, property: &str) -> String {
        format!("{}{property}/$target", self.prefix)
    }

    /// Answers to commands for a property.
    pub fn result(&self, property: &str) -> String {
        format!("{}{property}/$result", self.prefix)
    }

    /// Commands for a property.
    pub fn set(&self, property: &str) -> String {
        format!("{}{property}/set", self.prefix)
    }

    /// Whether the device's values can be trusted.
    pub fn availability(&self) -> String {
        format!("{}$availability", self.prefix)
    }

    /// What is wrong.
    pub fn problem(&self) -> String {
        format!("{}$problem", self.prefix)
    }

    /// What the device is.
    pub fn meta(&self) -> String {
        format!("{}$meta", self.prefix)
    }

    /// The filter for commands to all properties.
    pub fn set_filter(&self) -> String {
        format!("{}+/set", self.prefix)
    }

    /// The filter for questions to all properties.
    pub fn get_filter(&self) -> String {
        format!("{}+/get", self.prefix)
    }

    /// The filter for the retained values of all properties.
    pub fn last_filter(&self) -> String {
        format!("{}+", self.prefix)
    }

    /// What a message asks for, by its topic name.
    pub fn request<'t>(&self, topic: &'t str) -> Option<Request<'t>> {
        let rest = topic.strip_prefix(&self.prefix)?;
        match rest.split_once('/') {
            Some((property, "set")) => Some(Request::Set(property)),
            Some((property, "get")) => Some(Request::Get(property)),
            Some(_) => None,
            None if rest.starts_with('$') => None,
            None => Some(Request::Last(rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_by_their_topic_names() {
        let topics = DeviceTopics::new("our/home", "blind");
        assert_eq!(topics.property("up"), "our/home/blind/up");
        assert_eq!(topics.request("our/home/blind/up/set"), Some(Request::Set("up")));
        assert_eq!(topics.request("our/home/blind/up/get"), Some(Request::Get("up")));
        assert_eq!(topics.request("our/home/blind/up"), Some(Request::Last("up")));
        assert_eq!(topics.request("our/home/blind/$availability"), None);
        assert_eq!(topics.request("our/home/blind/up/$result"), None);
        assert_eq!(topics.request("our/home/blinds/up/set"), None);
    }
}
