const { server, key, events, accepted, drive } = require('./plan')

drive(async () => {
  // quick start
  const { Umami } = require('@umami/node')
  const umami = new Umami({ websiteId: key, hostUrl: server })
  umami.track('order_paid', { amount: 19.9 }).catch(console.error)
  // end
  for (const { n, call, name, properties } of events) {
    const sent =
      call === 'identify' ? umami.identify(properties) :
      call === 'page' ? umami.track({ url: properties.url, title: name, referrer: properties.referrer, language: 'zh-CN' }) :
      umami.track(name, properties)
    umami.reset()
    await sent.then((response) => response.ok && accepted([n]), () => null)
  }
})
