// The part of WeChat's documented API that the SDKs of mini-programs use, over Node's HTTP.
const http = require('node:http')

const storage = new Map()

function request({ url, method = 'GET', data, header, timeout = 60_000, success, fail, complete }) {
  // WeChat's default content type, also for a form.
  const headers = { 'content-type': 'application/json', ...header }
  const call = http.request(url, { method, headers, timeout, agent: false }, (response) => {
    let text = ''
    response.setEncoding('utf8').on('data', (part) => (text += part))
    response.on('end', () => {
      // Any answer is a success: the status is the caller's affair.
      success?.({ statusCode: response.statusCode, header: response.headers, data: text })
      complete?.()
    })
    response.on('error', failed)
  })
  let over = false
  function failed(error) {
    if (over) return
    over = true
    fail?.({ errMsg: `request:fail ${error.message}` })
    complete?.()
  }
  call.on('timeout', () => call.destroy(new Error('timeout'))).on('error', failed)
  call.end(data)
  return { abort: () => call.destroy(new Error('abort')) }
}

const system = {
  SDKVersion: '3.4.1', brand: 'HUAWEI', model: 'Mate 60', platform: 'android', system: 'Android 14',
  screenWidth: 412, screenHeight: 915, windowWidth: 412, windowHeight: 800, language: 'zh_CN', version: '8.0.49',
}

function soon({ success, complete }, result) {
  setImmediate(() => (success?.(result), complete?.(result)))
}

const launch = { path: 'pages/index', query: {}, scene: 1001 }

module.exports = {
  request,
  getStorageSync: (name) => storage.get(name) ?? '',
  setStorageSync: (name, value) => void storage.set(name, structuredClone(value)),
  getStorage: ({ key, ...callbacks }) =>
    storage.has(key) ? soon(callbacks, { data: storage.get(key) }) : soon({ ...callbacks, success: callbacks.fail }, { errMsg: 'getStorage:fail data not found' }),
  getSystemInfo: (callbacks) => soon(callbacks, system),
  getSystemInfoSync: () => system,
  getNetworkType: (callbacks) => soon(callbacks, { networkType: 'wifi' }),
  getAccountInfoSync: () => ({ miniProgram: { appId: 'wx0123456789abcdef', envVersion: 'release', version: '1.2.3' } }),
  getLaunchOptionsSync: () => launch,
  login: (callbacks) => soon(callbacks, { code: 'c0de' }),
  onAppShow: () => {},
  onAppHide: () => {},
  onNetworkStatusChange: () => {},
  setNavigationBarTitle: () => {},
}
