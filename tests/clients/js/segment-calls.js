/** Makes the planned calls on a client that speaks as Segment's do, and waits until each has ended. */
module.exports = function call(analytics, events) {
  const ended = events.map(
    ({ call, name, user, device, time_ms, properties }) =>
      new Promise((done) => {
        const who = { userId: user, anonymousId: device, timestamp: new Date(time_ms) }
        if (call === 'track') analytics.track({ ...who, event: name, properties }, done)
        if (call === 'page') analytics.page({ ...who, name, properties }, done)
        if (call === 'screen') analytics.screen({ ...who, name, properties }, done)
        if (call === 'identify') analytics.identify({ ...who, traits: properties }, done)
        if (call === 'group') analytics.group({ ...who, groupId: name, traits: properties }, done)
        if (call === 'alias') analytics.alias({ userId: user, previousId: device, timestamp: who.timestamp }, done)
      }),
  )
  analytics.flush()
  return Promise.all(ended)
}
