//! The names that all formats end in, so that one question reads the reports of any client. The
//! table, format by format, is in docs/wire-formats.md.

/// A page was seen.
pub(crate) const PAGEVIEW: &str = "$pageview";
/// A screen of an app was seen.
pub(crate) const SCREEN: &str = "$screen";
/// A person became known, or attributes of a person were reported.
pub(crate) const IDENTIFY: &str = "$identify";
/// Two ids are of one person.
pub(crate) const ALIAS: &str = "$alias";
/// A person belongs to a group, or attributes of a group were reported.
pub(crate) const GROUP: &str = "$group";

/// Attributes of a person were reported by themselves, under the name of what is done with them.
pub(crate) const PROFILE_SET: &str = "$profile_set";
pub(crate) const PROFILE_SET_ONCE: &str = "$profile_set_once";
pub(crate) const PROFILE_INCREMENT: &str = "$profile_increment";
pub(crate) const PROFILE_APPEND: &str = "$profile_append";
pub(crate) const PROFILE_UNION: &str = "$profile_union";
pub(crate) const PROFILE_REMOVE: &str = "$profile_remove";
pub(crate) const PROFILE_UNSET: &str = "$profile_unset";
pub(crate) const PROFILE_DELETE: &str = "$profile_delete";
/// Attributes of a thing, such as a product, were reported.
pub(crate) const ITEM_SET: &str = "$item_set";
/// A thing is no more.
pub(crate) const ITEM_DELETE: &str = "$item_delete";

/// Attributes of the person: what they are now.
pub(crate) const SET: &str = "$set";
/// Attributes that are kept if the person has them already.
pub(crate) const SET_ONCE: &str = "$set_once";
/// Numbers that are added to the person's.
pub(crate) const ADD: &str = "$add";
/// Values that are appended to the person's lists.
pub(crate) const APPEND: &str = "$append";
/// Values that are appended to the person's lists where they are not in them yet.
pub(crate) const UNION: &str = "$union";
/// Values that are taken out of the person's lists.
pub(crate) const REMOVE: &str = "$remove";
/// Names of attributes that the person loses: an array.
pub(crate) const UNSET: &str = "$unset";
/// The person loses all attributes: true.
pub(crate) const DELETE: &str = "$delete";

/// What kind of group.
pub(crate) const GROUP_TYPE: &str = "$group_type";
/// Which one.
pub(crate) const GROUP_KEY: &str = "$group_key";
/// Attributes of the group.
pub(crate) const GROUP_SET: &str = "$group_set";
/// The groups of the person at the event: kind and key of each.
pub(crate) const GROUPS: &str = "$groups";

/// What kind of thing.
pub(crate) const ITEM_TYPE: &str = "$item_type";
/// Which one.
pub(crate) const ITEM_ID: &str = "$item_id";
/// Attributes of the thing.
pub(crate) const ITEM: &str = "$item";

/// The page's address.
pub(crate) const PAGE_URL: &str = "$page_url";
/// The path in it.
pub(crate) const PAGE_PATH: &str = "$page_path";
/// The page's title.
pub(crate) const PAGE_TITLE: &str = "$page_title";
/// The page before it.
pub(crate) const PAGE_REFERRER: &str = "$page_referrer";
/// What the app calls the page.
pub(crate) const PAGE_NAME: &str = "$page_name";
/// What the app calls the screen.
pub(crate) const SCREEN_NAME: &str = "$screen_name";
/// What the page or screen belongs to.
pub(crate) const CATEGORY: &str = "$category";
/// The campaign's source, and so on.
pub(crate) const UTM_SOURCE: &str = "$utm_source";
pub(crate) const UTM_MEDIUM: &str = "$utm_medium";
pub(crate) const UTM_CAMPAIGN: &str = "$utm_campaign";
pub(crate) const UTM_TERM: &str = "$utm_term";
pub(crate) const UTM_CONTENT: &str = "$utm_content";
/// Language and region, such as `zh-CN`.
pub(crate) const LOCALE: &str = "$locale";
/// The time zone's name.
pub(crate) const TIMEZONE: &str = "$timezone";
/// The kind of network, such as `wifi`.
pub(crate) const NETWORK: &str = "$network";
/// The operating system's name, as the client says.
pub(crate) const OS: &str = "$os";
/// Its version.
pub(crate) const OS_VERSION: &str = "$os_version";
/// Who made the device.
pub(crate) const DEVICE_MANUFACTURER: &str = "$device_manufacturer";
/// Its model.
pub(crate) const DEVICE_MODEL: &str = "$device_model";
/// The host that the page is on.
pub(crate) const PAGE_HOST: &str = "$page_host";
/// Width and height of the screen, as `1920x1080`.
pub(crate) const SCREEN_SIZE: &str = "$screen_size";
/// Its width alone, a number.
pub(crate) const SCREEN_WIDTH: &str = "$screen_width";
/// The schema that an event describes itself by.
pub(crate) const SCHEMA: &str = "$schema";
/// Entities attached to the event: an array.
pub(crate) const CONTEXTS: &str = "$contexts";
/// What the event earned: `amount` and `currency`.
pub(crate) const REVENUE: &str = "$revenue";
/// A word by which a site tells variants of itself apart.
pub(crate) const TAG: &str = "$tag";
