const { server, key, events } = window.plan
// A browser that a program drives is a bot to it, it reports of its own accord unless told not to,
// and lets through ten events a second.
const pace = {
  opt_out_useragent_filter: true,
  autocapture: false,
  capture_pageview: false,
  capture_pageleave: false,
  rate_limiting: { events_per_second: 1000, events_burst_limit: 10_000 },
}

// quick start
import posthog from 'posthog-js'
posthog.init(key, { api_host: server, ...pace })
posthog.capture('order_paid', { amount: 19.9 })
// end
// Dates stay texts: it writes none of its own.
for (const { call, name, user, time_ms, properties } of events) {
  const at = { timestamp: new Date(time_ms) }
  if (call === 'login') posthog.identify(user, properties)
  if (call === 'track') posthog.capture(name, properties, at)
  if (call === 'page') posthog.capture('$pageview', { ...properties, name }, at)
  if (call === 'identify') posthog.setPersonProperties(properties)
}
window.done = true
