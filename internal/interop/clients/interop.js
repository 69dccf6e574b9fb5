// The side of kafkajs in the interoperability test: see interop_test.go for the arguments.
'use strict'
const assert = require('node:assert/strict')
const { Kafka, logLevel } = require('kafkajs')
const { SchemaRegistry, SchemaType } = require('@kafkajs/confluent-schema-registry')
const avro = require('avsc')
const protobuf = require('protobufjs')
const fs = require('node:fs')
const path = require('node:path')

const [mode, brokers, registryURL, prefix, list] = process.argv.slice(2)
const counts = Object.fromEntries(list.split(',').map((p) => p.split('=')).map(([k, v]) => [k, Number(v)]))
const read = (name) => fs.readFileSync(path.join(__dirname, '..', 'testdata', name), 'utf8')

const item = { name: 'é日本', id: -42, price: 1.5, count: 1099511627776, note: 'n', tags: ['a', 'b'] }
const avroType = avro.Type.forSchema(JSON.parse(read('item.avsc')), { wrapUnions: false })
const types = protobuf.parse(read('item.proto')).root
const Item = types.lookupType('Item')
const Inner = types.lookupType('Outer.Inner')
const plainProto = (m) => Item.toObject(m, { longs: Number })
const buffer = (n, f) => { const b = Buffer.alloc(n); f(b); return b }
const registry = new SchemaRegistry({ host: registryURL }, { [SchemaType.AVRO]: { wrapUnions: false } })

// framed is a format of the registry client. plain turns what it decodes into item.
const framed = (type, file, plain = (v) => v) => ({
  write: async (topic) => {
    const { id } = await registry.register({ type, schema: read(file) }, { subject: `${topic}-value` })
    const frame = await registry.encode(id, item)
    // This client does not write the indexes of the message, which Confluent's demand, and skips them when it reads.
    return type === SchemaType.PROTOBUF ? Buffer.concat([frame.subarray(0, 5), Buffer.from([0]), frame.subarray(5)]) : frame
  },
  check: async (value) => assert.deepEqual(JSON.parse(JSON.stringify(plain(await registry.decode(value)))), item),
})
const fixed = (value, check) => ({ write: async () => value, check: async (v) => assert.deepEqual(check(v), check(value)) })

// nested is a message that is not the first of its file, of which the registry client knows nothing: its indexes are 1 and 1.
const nested = (indexes) => ({
  write: async (topic) => {
    const { id } = await registry.register({ type: SchemaType.PROTOBUF, schema: read('item.proto') }, { subject: `${topic}-value` })
    return Buffer.concat([buffer(5, (b) => b.writeInt32BE(id, 1)), Buffer.from(indexes), Buffer.from(Inner.encode({ name: 'é' }).finish())])
  },
  check: async (value) => {
    assert.equal(value[0], 0)
    const schema = protobuf.parse(await registeredText(value.readInt32BE(1))).root
    assert.deepEqual([...value.subarray(5, 8)], indexes)
    const type = schema.nestedArray.filter((t) => t instanceof protobuf.Type)[1].nestedArray[1]
    assert.equal(type.name, 'Inner')
    assert.deepEqual({ ...type.decode(value.subarray(8)) }, { name: 'é' })
  },
})
const registeredText = async (id) => (await (await fetch(`${registryURL}/schemas/ids/${id}`)).json()).schema

const series = {
  BinaryValues: { d: ['Ynl0ZXM='] }, StringValues: { c: ['é'] }, NumericValues: { a: [1], b: [1.1] }, Timestamps: [1234567890], TagValues: { t: ['u'] },
}
// Its time has more digits than a number of JavaScript.
const event = '{"Id":"an_event","Value":"é","Tags":{"t":"u"},"Timestamp":1692703362840389000}'
const json = (v) => JSON.parse(String(v).replace(/"Timestamp":(\d+)/, '"Timestamp":"$1"'))
const isLike = (want) => (v) => assert.deepEqual(json(v), json(want))

// envelope is the legacy form of Quix: S and E say between which bytes the data are.
const envelope = (model, data) => {
  const start = Buffer.from(`{"C":"JT","K":"${model}","V":`)
  const body = Buffer.from(data)
  const value = Buffer.concat([start, body, Buffer.from(`,"S":${start.length},"E":${start.length + body.length}}`)])
  return {
    write: async () => value,
    check: async (v) => {
      const { C, K, S, E } = JSON.parse(v)
      assert.deepEqual({ C, K }, { C: 'JT', K: model })
      isLike(data)(v.subarray(S, E))
    },
  }
}
const withHeaders = (model, data) => ({
  headers: { __Q_ModelKey: model, __Q_CodecId: 'JT' },
  write: async () => Buffer.from(data),
  check: async (v, headers) => {
    assert.equal(String(headers.__Q_ModelKey), model)
    assert.equal(String(headers.__Q_CodecId), 'JT')
    isLike(data)(v)
  },
})

const formats = {
  string: fixed(Buffer.from('é日本'), (v) => v.toString('utf8')),
  latin1: fixed(Buffer.from('é', 'latin1'), (v) => v.toString('latin1')),
  bytes: fixed(Buffer.from([0, 255]), (v) => v),
  int: fixed(buffer(4, (b) => b.writeInt32BE(-42)), (v) => v.readInt32BE()),
  long: fixed(buffer(8, (b) => b.writeBigInt64BE(1n << 40n)), (v) => v.readBigInt64BE()),
  float: fixed(buffer(4, (b) => b.writeFloatBE(0.5)), (v) => v.readFloatBE()),
  boolean: fixed(Buffer.from([1]), (v) => v.readUInt8() === 1),
  double: fixed(buffer(8, (b) => b.writeDoubleBE(123.123)), (v) => v.readDoubleBE()),
  json: fixed(Buffer.from(JSON.stringify(item)), (v) => JSON.parse(v)),
  avro: fixed(avroType.toBuffer(item), (v) => ({ ...avroType.fromBuffer(v) })),
  protobuf: fixed(Buffer.from(Item.encode(Item.fromObject(item)).finish()), (v) => plainProto(Item.decode(v))),
  'avro-registry': framed(SchemaType.AVRO, 'item.avsc'),
  'avro-generic': framed(SchemaType.AVRO, 'item.avsc'),
  'jsonschema-registry': framed(SchemaType.JSON, 'item.schema.json'),
  'protobuf-registry': framed(SchemaType.PROTOBUF, 'item.proto', (v) => ({ ...v, count: Number(v.count) })),
  'protobuf-nested': nested([4, 2, 2]), // 2 indexes, in zigzag form
  'protobuf-deprecated': nested([2, 1, 1]), // as they were once written
  'quix-timeseries': envelope('ParameterData', JSON.stringify(series)),
  'quix-headers': withHeaders('TimeseriesData', JSON.stringify(series)),
  'quix-events': envelope('EventData', event),
}

const kafka = new Kafka({ clientId: 'interop', brokers: brokers.split(','), logLevel: logLevel.ERROR })

async function writeAll () {
  const producer = kafka.producer()
  await producer.connect()
  for (const name of Object.keys(counts)) {
    const topic = `${prefix}in-${name}`
    await producer.send({ topic, messages: [{ key: 'node', value: await formats[name].write(topic), headers: formats[name].headers }] })
  }
  await producer.disconnect()
}

async function readAll () {
  const consumer = kafka.consumer({ groupId: `${prefix}node` })
  await consumer.connect()
  await consumer.subscribe({ topics: Object.keys(counts).map((name) => `${prefix}out-${name}`), fromBeginning: true })
  let left = Object.values(counts).reduce((a, b) => a + b, 0)
  await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`${left} records are missing`)), 120_000).unref()
    consumer.run({
      eachMessage: async ({ topic, message }) => {
        try {
          await formats[topic.slice(`${prefix}out-`.length)].check(message.value, message.headers)
          if (--left === 0) resolve()
        } catch (err) {
          reject(new Error(`${topic} of ${message.key}: ${message.value.toString('hex')}: ${err.message}`))
        }
      },
    }).catch(reject)
  })
  await consumer.disconnect()
}

;(mode === 'write' ? writeAll() : readAll()).then(() => process.exit(0), (err) => { console.error(err); process.exit(1) })
