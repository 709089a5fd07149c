//! Writes `engine.xml` and `users.xml`, anew at each start, readable by their owner alone.

use std::fmt::Write;
use std::path::Path;

use super::OwnShard;
use super::credentials::{Passwords, write_private};
use crate::access::{SHARD_VIEW, ask_profile};
use crate::ask::AskLimits;
use crate::error::Result;

pub(crate) const WRITE_USER: &str = "suanpan_write";
pub(crate) const ASK_USER: &str = "suanpan_ask";

/// What the files depend on.
pub(super) struct Rendering<'a> {
    pub folder: &'a Path,
    /// Where a `clickhouse` server keeps its data; the library is told by argument.
    pub server_data: &'a Path,
    /// Where the engine may write backups.
    pub backups: &'a Path,
    /// Whether the library serves, by statements of `default`.
    pub default_serves: bool,
    pub memory_bytes_max: u64,
    pub databases: &'a [String],
    pub shard: Option<&'a OwnShard>,
    pub passwords: &'a Passwords,
    pub limits_max: &'a AskLimits,
}

impl Rendering<'_> {
    pub fn write(&self) -> Result<()> {
        write_private(&self.folder.join("users.xml"), self.users().as_bytes())?;
        write_private(&self.folder.join("engine.xml"), self.engine().as_bytes())
    }

    /// Sized for a small machine that does other things too. Idle, the engine then holds about
    /// 60 MB of memory of its own, and 170 MB of its program's pages, which the system can drop.
    ///
    /// The pools are small: merges share two cores with inserts and questions. The three
    /// `number_of_free_entries` must not exceed such a pool, or tables refuse to load.
    fn engine(&self) -> String {
        let folder = escaped(&self.folder.display().to_string());
        let data = escaped(&self.server_data.display().to_string());
        let backups = escaped(&self.backups.display().to_string());
        let memory = self.memory_bytes_max;
        let shards = self.shards();
        format!(
            "<clickhouse>
  <logger><level>warning</level><log>{folder}/engine.log</log><size>10M</size><count>2</count></logger>
  <listen_host>127.0.0.1</listen_host>
  <timezone>UTC</timezone>
  <path>{data}/</path>
  <tmp_path>{data}/tmp/</tmp_path>
  <user_files_path>{data}/user_files/</user_files_path>
  <user_directories><users_xml><path>{folder}/users.xml</path></users_xml></user_directories>
  <access_control_improvements>
    <settings_constraints_replace_previous>true</settings_constraints_replace_previous>
    <select_from_system_db_requires_grant>true</select_from_system_db_requires_grant>
    <select_from_information_schema_requires_grant>true</select_from_information_schema_requires_grant>
  </access_control_improvements>
  <backups><allowed_path>{backups}/</allowed_path></backups>
  <keep_alive_timeout>30</keep_alive_timeout>
{shards}  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <mark_cache_size>134217728</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <background_pool_size>2</background_pool_size>
  <background_schedule_pool_size>4</background_schedule_pool_size>
  <background_common_pool_size>2</background_common_pool_size>
  <background_fetches_pool_size>1</background_fetches_pool_size>
  <background_move_pool_size>1</background_move_pool_size>
  <background_message_broker_schedule_pool_size>1</background_message_broker_schedule_pool_size>
  <background_distributed_schedule_pool_size>1</background_distributed_schedule_pool_size>
  <background_buffer_flush_schedule_pool_size>1</background_buffer_flush_schedule_pool_size>
  <max_thread_pool_size>1000</max_thread_pool_size>
  <max_thread_pool_free_size>16</max_thread_pool_free_size>
  <merge_tree>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
  </merge_tree>
</clickhouse>
"
        )
    }

    /// The engines that are this one's fellow shards, and itself, if it is a shard.
    fn shards(&self) -> String {
        let Some(shard) = self.shard else { return String::new() };
        let password = self.passwords.write.expose();
        let mut shards = String::new();
        for port in &shard.tcp_ports {
            let _ = write!(
                shards,
                "<shard><internal_replication>true</internal_replication><replica><host>127.0.0.1</host>\
                 <port>{port}</port><user>{WRITE_USER}</user><password>{password}</password></replica></shard>"
            );
        }
        let (name, number) = (&shard.cluster, shard.number + 1);
        format!(
            "  <macros><shard>{number}</shard><replica>1</replica></macros>\n  \
             <remote_servers><{name}>{shards}</{name}></remote_servers>\n"
        )
    }

    /// Three users.
    ///
    /// `default` is the session that serves, and cannot have a password. The statements that serve use up
    /// its quota until the engine ends, so that nobody who reaches the port can do anything as
    /// `default`; it can read nothing anyway.
    fn users(&self) -> String {
        let write_password = self.passwords.write.expose();
        let ask_password = self.passwords.ask.expose();
        // Listening, and a table function to wait with.
        let default_grants = if self.default_serves {
            "<query>GRANT CREATE TEMPORARY TABLE ON *.*</query><query>GRANT SYSTEM LISTEN ON *.*</query>"
        } else {
            ""
        };
        let statements = if self.shard.is_some() { 3 } else { 2 };
        let loopback = "<networks><ip>127.0.0.1</ip></networks>";
        let mut write_grants = String::new();
        let mut ask_grants = String::new();
        for database in self.databases {
            let _ = write!(write_grants, "<query>GRANT ALL ON {database}.*</query>");
            for table in ["events", SHARD_VIEW] {
                let _ = write!(ask_grants, "<query>GRANT SELECT ON {database}.{table}</query>");
            }
        }
        format!(
            "<clickhouse>
  <profiles><default/><suanpan_ask>{profile}</suanpan_ask></profiles>
  <quotas>
    <default/>
    <once><interval><duration>2147483647</duration><queries>{statements}</queries></interval></once>
  </quotas>
  <users>
    <default><password></password>{loopback}<profile>default</profile><quota>once</quota>
      <grants>{default_grants}</grants>
    </default>
    <{WRITE_USER}><password>{write_password}</password>{loopback}<profile>default</profile><quota>default</quota>
      <grants>{write_grants}<query>GRANT TABLE ENGINE ON *</query><query>GRANT SELECT ON system.*</query><query>GRANT KILL QUERY ON *.*</query><query>GRANT REMOTE ON *.*</query></grants>
    </{WRITE_USER}>
    <{ASK_USER}><password>{ask_password}</password>{loopback}<profile>suanpan_ask</profile><quota>default</quota>
      <grants>{ask_grants}</grants>
    </{ASK_USER}>
  </users>
</clickhouse>
",
            profile = self.profile(),
        )
    }

    fn profile(&self) -> String {
        let mut values = String::new();
        let mut constraints = String::new();
        for setting in ask_profile(self.limits_max) {
            let (name, value) = (setting.name, setting.value);
            let _ = write!(values, "<{name}>{value}</{name}>");
            if let Some(min) = setting.min {
                let _ = write!(
                    constraints,
                    "<{name}><min>{min}</min><max>{value}</max><changeable_in_readonly/></{name}>"
                );
            }
        }
        format!("{values}<constraints>{constraints}</constraints>")
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
