const { server, key, events, mode, drive } = require('./plan')
if (mode === 'v1') process.env.POSTHOG_CAPTURE_MODE = 'v1'
// Its own default waits 3 s before each of three tries.
const pace = { fetchRetryDelay: 300 }

drive(async () => {
  // quick start
  const { PostHog } = require('posthog-node')
  const posthog = new PostHog(key, { host: server, ...pace })
  posthog.capture({ distinctId: 'u-17', event: 'order_paid', properties: { amount: 19.9 } })
  // end
  for (const { call, name, user, device, time_ms, properties } of events) {
    const who = { distinctId: user ?? device, timestamp: new Date(time_ms) }
    if (call === 'track') posthog.capture({ ...who, event: name, properties })
    if (call === 'page') posthog.capture({ ...who, event: '$pageview', properties: { ...properties, name } })
    if (call === 'screen') posthog.capture({ ...who, event: '$screen', properties: { ...properties, name } })
    if (call === 'identify') posthog.identify({ distinctId: user, properties })
    if (call === 'group') posthog.groupIdentify({ groupType: 'company', groupKey: name, distinctId: user, properties })
    if (call === 'alias') posthog.alias({ distinctId: user, alias: device })
  }
  // A flush that fails keeps what the network did not take, and fails.
  for (let failed = true; failed; ) failed = await posthog.flush().then(() => false, () => true)
  await posthog.shutdown(90_000)
})
