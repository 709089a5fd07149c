const { server, key, events, device } = window.plan

// quick start
import { AnalyticsBrowser } from '@segment/analytics-next'
const analytics = AnalyticsBrowser.load({ writeKey: key, cdnURL: server })
analytics.track('order_paid', { amount: 19.9 })
// end
await analytics.setAnonymousId(device)
// What waits when somebody logs in would be that person's.
const waiting = []
for (const { call, name, user, time_ms, properties } of events) {
  const at = { timestamp: new Date(time_ms) }
  const values = { ...properties, ...(properties?.when && { when: new Date(properties.when) }) }
  if (call === 'login') await Promise.all(waiting).then(() => analytics.identify(user, properties, at))
  if (call === 'track') waiting.push(analytics.track(name, values, at))
  if (call === 'page') waiting.push(analytics.page(null, name, properties, at))
  if (call === 'screen') waiting.push(analytics.screen(null, name, properties, at))
  if (call === 'identify') waiting.push(analytics.identify(user, properties, at))
  if (call === 'group') waiting.push(analytics.group(name, properties, at))
}
window.done = true
