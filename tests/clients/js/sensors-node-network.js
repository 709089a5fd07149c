const { server, key, events, folder, untilTold, drive } = require('./plan')
const call = require('./sensors-calls')

drive(async () => {
  const SensorsAnalytics = require('sa-sdk-node')
  const sa = new SensorsAnalytics()
  const consumer = sa.initNWConsumer({ url: `${server}/sa?project=${key}`, cachePath: folder }, { count: 20 })
  sa.track('u-17', 'order_paid', { amount: 19.9 })
  call(sa, events)
  sa.onCompleted()
  while (consumer.dataQueue.executing) await new Promise((resolve) => setTimeout(resolve, 20))
  // What failed lies on disk, and is sent after the process starts again; which this is, to the library.
  new SensorsAnalytics().initNWConsumer({ url: `${server}/sa?project=${key}`, cachePath: folder })
  await untilTold()
})
