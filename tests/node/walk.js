// Walks mqtt.js through a gateway: node walk.js URL 3.1|3.1.1|5.0 [USER PASSWORD]
// With a user it logs in by SCRAM-SHA-256 (5.0 only). Prints "all well", or fails.
'use strict'

const assert = require('node:assert')
const crypto = require('node:crypto')
const mqtt = require('mqtt')

const [url, version, user, password] = process.argv.slice(2)
const PROTOCOLS = { '3.1': ['MQIsdp', 3], '3.1.1': ['MQTT', 4], '5.0': ['MQTT', 5] }
const [protocolId, protocolVersion] = PROTOCOLS[version]
const IS_V5 = protocolVersion === 5
const PATIENCE_MS = 20_000

const hmac = (key, text) => crypto.createHmac('sha256', key).update(text).digest()

/** One exchange of SCRAM-SHA-256, from RFC 5802. */
class Scram {
  constructor () {
    this.bare = `n=${user},r=${crypto.randomBytes(12).toString('base64')}`
  }

  first () {
    return Buffer.from(`n,,${this.bare}`)
  }

  last (challenge) {
    const fields = Object.fromEntries(challenge.split(',').map(field => [field[0], field.slice(2)]))
    const salted = crypto.pbkdf2Sync(password, Buffer.from(fields.s, 'base64'), Number(fields.i), 32, 'sha256')
    const withoutProof = `c=biws,r=${fields.r}`
    const signed = `${this.bare},${challenge},${withoutProof}`
    const key = hmac(salted, 'Client Key')
    const signature = hmac(crypto.createHash('sha256').update(key).digest(), signed)
    this.expected = `v=${hmac(hmac(salted, 'Server Key'), signed).toString('base64')}`
    return Buffer.from(`${withoutProof},p=${key.map((byte, index) => byte ^ signature[index]).toString('base64')}`)
  }
}

/** A client whose messages can be waited for. */
async function connect (name, options = {}) {
  const scram = user && new Scram()
  const properties = { ...(options.clean === false && { sessionExpiryInterval: 3600 }) }
  if (scram) Object.assign(properties, { authenticationMethod: 'SCRAM-SHA-256', authenticationData: scram.first() })
  const client = mqtt.connect(url, {
    protocolId,
    protocolVersion,
    clientId: name,
    reconnectPeriod: 0,
    connectTimeout: PATIENCE_MS,
    ...(IS_V5 && { properties }),
    ...options
  })
  if (scram) {
    client.handleAuth = (packet, done) => {
      const data = scram.last(packet.properties.authenticationData.toString())
      done(null, {
        cmd: 'auth',
        reasonCode: 0x18,
        properties: { authenticationMethod: 'SCRAM-SHA-256', authenticationData: data }
      })
    }
  }
  client.inbox = []
  client.on('message', (topic, payload, packet) => client.inbox.push({ topic, text: payload.toString(), packet }))
  const connack = await new Promise((resolve, reject) => {
    client.once('connect', resolve)
    client.once('error', reject)
  })
  if (scram) assert.strictEqual(connack.properties.authenticationData.toString(), scram.expected)
  client.present = connack.sessionPresent
  return client
}

async function next (client) {
  const end = Date.now() + PATIENCE_MS
  while (client.inbox.length === 0) {
    assert(Date.now() < end, 'no message')
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  return client.inbox.shift()
}

async function walk () {
  const will = { topic: 'js/will', payload: 'gone', qos: 1, retain: false }
  const reader = await connect('js-reader')
  const writer = await connect('js-writer', { will })
  for (const qos of [0, 1, 2]) {
    const [granted] = await reader.subscribeAsync(`js/${qos}/+`, { qos })
    assert.strictEqual(granted.qos, qos)
    await writer.publishAsync(`js/${qos}/x`, `message ${qos}`, { qos })
    const { topic, text, packet } = await next(reader)
    assert.deepStrictEqual([topic, text, packet.qos], [`js/${qos}/x`, `message ${qos}`, qos])
  }
  await writer.publishAsync('js/large', Buffer.alloc(300_000, 'x'), { qos: 1, retain: true })
  await reader.subscribeAsync('js/large', { qos: 1 })
  const large = await next(reader)
  assert.deepStrictEqual([large.text.length, large.packet.retain], [300_000, true])
  await writer.publishAsync('js/large', '', { qos: 1, retain: true })
  assert.strictEqual((await next(reader)).text, '')
  if (IS_V5) {
    await reader.subscribeAsync('js/5', { qos: 1, properties: { subscriptionIdentifier: 7 } })
    const properties = { userProperties: { a: 'b' }, correlationData: Buffer.from('c'), contentType: 'text' }
    await writer.publishAsync('js/5', 'x', { qos: 1, properties })
    const told = (await next(reader)).packet.properties
    assert.deepStrictEqual({ ...told.userProperties }, { a: 'b' })
    assert.deepStrictEqual([told.subscriptionIdentifier, told.contentType], [7, 'text'])
  }
  await reader.subscribeAsync('js/will', { qos: 1 })
  writer.stream.destroy()
  assert.strictEqual((await next(reader)).text, 'gone')
  await keep(reader)
  await reader.endAsync()
}

/** A session is kept while its client is away. */
async function keep (other) {
  let sleeper = await connect('js-sleeper', { clean: false })
  await sleeper.subscribeAsync('js/kept', { qos: 2 })
  await sleeper.endAsync()
  for (const qos of [1, 2]) await other.publishAsync('js/kept', `kept ${qos}`, { qos })
  sleeper = await connect('js-sleeper', { clean: false })
  if (protocolVersion > 3) assert.strictEqual(sleeper.present, true)
  assert.deepStrictEqual([(await next(sleeper)).text, (await next(sleeper)).text], ['kept 1', 'kept 2'])
  await sleeper.endAsync()
  await (await connect('js-sleeper')).endAsync()
}

walk().then(
  () => {
    console.log('all well')
    process.exit(0)
  },
  failure => {
    console.error(failure)
    process.exit(1)
  }
)
