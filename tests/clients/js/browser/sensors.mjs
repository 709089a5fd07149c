const { server, key, events, device, mode } = window.plan
// By image unless told otherwise; batches go out every 6 s unless told otherwise.
const way = mode.split(' ')[1]
const pace = way === 'batch' ? { batch_send: { send_interval: 400 } } : { send_type: way, queue_timeout: 100 }

// quick start
import sensors from 'sa-sdk-javascript'
sensors.init({ server_url: `${server}/sa.gif?project=${key}`, ...pace })
sensors.track('order_paid', { amount: 19.9 })
// end
sensors.identify(device, true)
for (const { call, name, user, properties } of events) {
  const values = { ...properties, ...(properties?.when && { when: new Date(properties.when) }) }
  if (call === 'login') sensors.login(user)
  if (call === 'track') sensors.track(name, values)
  if (call === 'page') sensors.quick('autoTrackWithoutProfile', { ...properties })
  if (call === 'identify') sensors.setProfile(properties)
  if (call === 'set_once') sensors.setOnceProfile(properties)
  if (call === 'increment') sensors.incrementProfile(properties)
  if (call === 'append') sensors.appendProfile(properties)
  if (call === 'unset') sensors.unsetProfile(Object.keys(properties))
}
window.done = true
