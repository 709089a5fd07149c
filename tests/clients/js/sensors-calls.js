/** Makes the planned calls on the Node SDK of SensorsData. */
module.exports = function call(sa, events) {
  for (const { call, name, user, time_ms, properties } of events) {
    const at = { ...properties, $time: new Date(time_ms) }
    if (call === 'track') sa.track(user, name, at)
    if (call === 'identify') sa.profileSet(user, at)
    if (call === 'set_once') sa.profileSetOnce(user, at)
    if (call === 'increment') sa.profileIncrement(user, properties)
    if (call === 'append') sa.profileAppend(user, properties)
    if (call === 'unset') sa.profileUnset(user, Object.keys(properties))
    if (call === 'alias') sa.trackSignup(user, name, at)
  }
}
