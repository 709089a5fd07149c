const { server, key, events } = window.plan
const here = { trackLocalhost: true }

// quick start
import Plausible from 'plausible-tracker'
const plausible = Plausible({ domain: key, apiHost: server, ...here })
plausible.trackEvent('order_paid', { props: { amount: 19.9 } })
// end
for (const { call, name, properties } of events) {
  await new Promise((resolve) => {
    const options = { callback: resolve, props: properties }
    if (call === 'page') plausible.trackPageview({ url: properties.url, referrer: properties.referrer }, { callback: resolve })
    else plausible.trackEvent(name, options)
  })
}
window.done = true
