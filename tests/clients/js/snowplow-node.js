const { server, key, events, drive } = require('./plan')
let taken = 0
const pace = { onRequestSuccess: (batch) => (taken += batch.length) }

drive(async () => {
  // quick start
  const { newTracker, buildSelfDescribingEvent } = require('@snowplow/node-tracker')
  const tracker = newTracker({ namespace: 'shop', appId: key }, { endpoint: server, ...pace })
  tracker.setUserId('u-17')
  tracker.track(buildSelfDescribingEvent({ event: { schema: 'iglu:shop/order_paid/jsonschema/1-0-0', data: { amount: 19.9 } } }))
  // end
  const { buildPageView, buildScreenView, buildStructEvent } = require('@snowplow/node-tracker')
  for (const { call, name, user, device, time_ms, properties } of events) {
    tracker.setUserId(user ?? null)
    tracker.setDomainUserId(device ?? '')
    const time = { type: 'ttm', value: time_ms }
    const iglu = (data) => ({ schema: `iglu:shop/${name}/jsonschema/1-0-0`, data })
    if (call === 'track') tracker.track(buildSelfDescribingEvent({ event: iglu(properties) }), [], time)
    if (call === 'page') tracker.track(buildPageView({ pageUrl: properties.url, pageTitle: name, referrer: properties.referrer }), [], time)
    if (call === 'screen') tracker.track(buildScreenView({ name, id: properties.id }), [], time)
    if (call === 'struct') tracker.track(buildStructEvent({ category: name, action: properties.action, label: properties.label, property: properties.property, value: properties.value }), [], time)
  }
  // A request that failed stays in its store until the next flush.
  while (taken < events.length + 1) {
    await tracker.flush()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
})
