use std::borrow::Cow;

use super::event::Told;

/// Whose event it is.
#[derive(Debug, Default)]
pub(super) struct Person<'a> {
    pub user_id: Cow<'a, str>,
    pub device_id: Cow<'a, str>,
    pub linked_id: Cow<'a, str>,
    pub is_nobody: bool,
}

impl<'a> Person<'a> {
    /// A `distinct_id` is a known person's or an anonymous one's; the client says which by other
    /// properties. What says nothing comes from a server, which knows its people.
    pub fn of(distinct_id: Cow<'a, str>, event: &str, told: &Told<'a>) -> Self {
        if event == "$groupidentify" && is_made_up(&distinct_id, told) {
            return Self { is_nobody: true, ..Self::default() };
        }
        let linked_id = match event {
            "$identify" => told.anonymous_id.clone(),
            "$create_alias" | "$merge_dangerously" => told.alias.clone(),
            _ => Cow::default(),
        };
        let (user_id, device_id) = if is_anonymous(&distinct_id, event, told) {
            (Cow::default(), distinct_id)
        } else if told.device_id.is_empty() {
            (distinct_id, told.anonymous_id.clone())
        } else {
            (distinct_id, told.device_id.clone())
        };
        let own = if user_id.is_empty() { &device_id } else { &user_id };
        let linked_id = if linked_id == *own { Cow::default() } else { linked_id };
        Self { user_id, device_id, linked_id, is_nobody: false }
    }
}

fn is_anonymous(distinct_id: &str, event: &str, told: &Told<'_>) -> bool {
    if event == "$identify" || told.user_id == distinct_id {
        return false;
    }
    match told.is_identified {
        Some(is_identified) => !is_identified,
        None => told.has_profile == Some(false) || told.device_id == distinct_id,
    }
}

/// Servers report about a group under the id of nobody: `$KIND_KEY`, or a random one.
fn is_made_up(distinct_id: &str, told: &Told<'_>) -> bool {
    let of_group = distinct_id.strip_prefix('$').and_then(|rest| rest.strip_prefix(&*told.group_type));
    let is_of_group = of_group.and_then(|rest| rest.strip_prefix('_')) == Some(&*told.group_key);
    is_of_group || told.is_server
}
