// Package outbox collects the output of the tasks of a worker, and hands it to a producer in batches.
package outbox

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine/provision"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/operator"
)

// Outbox collects the output records of a worker's tasks, by partition, and hands them to the producer in batches.
type Outbox struct {
	producer broker.Producer
	// step returns the context of the running step: Append may have to wait for the producer.
	step  func() context.Context
	known *provision.Topics // of every topic that is written
	// compressed says that the producer compresses: the cluster alone knows the size of a record then.
	compressed bool
	topics     map[string]*Topic
	// found are the topics that are not part of the plan: functions have named them for records.
	found   map[string]broker.TopicInfo
	buffers []*buffer // all, in the order of first use
	pending int       // records in all buffers

	mu   sync.Mutex // guards each
	each []*Topic   // all topics
}

const (
	// sendRecords and sendBytes are how much makes a batch: the cost of a record falls with the size of its batch, steeply
	// up to about a thousand.
	sendRecords = 2000
	sendBytes   = 256 << 10
	// arenaBytes is the size of the blocks that records are copied to.
	arenaBytes = 64 << 10
)

// Topic is an operator.Output.
type Topic struct {
	outbox  *Outbox
	topic   string
	limits  provision.Limits
	node    *graph.Node // the first whose function named the topic, nil if none did
	largest int         // bytes of a batch of one record
	buffers []*buffer   // by partition, nil until used
	sent    atomic.Int64
}

type buffer struct {
	tp      broker.TopicPartition
	topic   *Topic
	records []broker.Record
	arena   []byte // what is left of the block in use
	bytes   int
}

// New returns an empty outbox. topics are those of the plan, and step returns the context of the running step.
func New(producer broker.Producer, topics *provision.Topics, compressed bool, step func() context.Context) *Outbox {
	return &Outbox{producer: producer, known: topics, compressed: compressed, step: step, topics: map[string]*Topic{}, found: map[string]broker.TopicInfo{}}
}

// Topic returns the output of a topic.
func (o *Outbox) Topic(name string) (*Topic, error) {
	if t := o.topics[name]; t != nil {
		return t, nil
	}
	n, ok := o.known.Partitions[name]
	limits := o.known.Limits[name]
	if !ok {
		info, ok := o.found[name]
		if !ok {
			return nil, fmt.Errorf("topic %q: %w", name, weir.ErrUnknownTopic)
		}
		n, limits = info.Partitions, provision.LimitsOf(info)
	}
	t := &Topic{outbox: o, topic: name, limits: limits, largest: broker.DefaultMaxRecordBytes, buffers: make([]*buffer, n)}
	if limit := t.limits.MaxMessageBytes; limit > 0 && !o.compressed {
		t.largest = min(t.largest, limit)
	}
	o.topics[name] = t
	o.mu.Lock()
	defer o.mu.Unlock()
	o.each = append(o.each, t)
	return t, nil
}

// Partitions implements operator.Output.
func (t *Topic) Partitions() int32 { return int32(len(t.buffers)) }

// Append implements operator.Output. Defects of the record itself are found here, while its input record is
// known: the producer would fail as a whole, and the application with it, again after every restart.
func (t *Topic) Append(partition int32, r *broker.Record) error {
	if err := t.check(r); err != nil {
		return &weir.ProduceError{Topic: t.topic, Partition: partition, Err: err}
	}
	b := t.buffers[partition]
	if b == nil {
		b = &buffer{tp: broker.TopicPartition{Topic: t.topic, Partition: partition}, topic: t}
		t.buffers[partition] = b
		t.outbox.buffers = append(t.outbox.buffers, b)
	}
	if b.records == nil {
		b.records = make([]broker.Record, 0, 64)
	}
	// In its place, field by field: a composite literal is built elsewhere and copied.
	b.records = append(b.records, broker.Record{})
	kept := &b.records[len(b.records)-1]
	kept.Key, kept.Value, kept.Headers, kept.Millis = b.copy(r.Key), b.copy(r.Value), b.copyHeaders(r.Headers), r.Millis
	b.bytes += len(r.Key) + len(r.Value)
	t.outbox.pending++
	if len(b.records) >= sendRecords || b.bytes >= sendBytes {
		return operator.Fatal(t.outbox.send(t.outbox.step(), b))
	}
	return nil
}

// check returns the reason for which the topic does not take a record, by its settings when Run began. The cluster has the
// last word, for instance on timestamps: see narrowing.
func (t *Topic) check(r *broker.Record) error {
	size := batchOverhead + recordOverhead + len(r.Key) + len(r.Value)
	for i := range r.Headers {
		size += headerOverhead + len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	if size > t.largest {
		if size = encodedSize(r); size > t.largest {
			return fmt.Errorf("the record is too large: %d bytes, and the limit is %d: %s", size, t.largest, t.sizeRemedy())
		}
	}
	if r.Millis < 0 {
		return fmt.Errorf("the time of the record is %d ms before 1970, which Kafka does not take", -r.Millis)
	}
	if r.Key == nil && t.limits.Compacted {
		return errors.New("the record has no key, and the topic is compacted: give it a key, or set cleanup.policy of the topic to delete")
	}
	return nil
}

// sizeRemedy says how larger records can be written.
func (t *Topic) sizeRemedy() string {
	switch {
	case t.largest == broker.DefaultMaxRecordBytes:
		return "Kafka takes no larger request"
	case t.limits.Internal:
		return "set Config.Topics.MaxRecordBytes or Config.Topics.Compression"
	default:
		return "raise max.message.bytes of the topic and start again, or set Config.Topics.Compression"
	}
}

// batchOverhead is the greatest size of an empty batch, recordOverhead and headerOverhead those of a record and a header without their bytes.
const (
	batchOverhead  = 61
	recordOverhead = 36
	headerOverhead = 10
)

// encodedSize returns the size of a batch of one record, as max.message.bytes bounds it.
func encodedSize(r *broker.Record) int {
	varint := func(n int) int { return len(binary.AppendVarint(make([]byte, 0, binary.MaxVarintLen64), int64(n))) }
	bytes := func(b []byte) int {
		if b == nil {
			return 1 // the length -1
		}
		return varint(len(b)) + len(b)
	}
	size := 3 + bytes(r.Key) + bytes(r.Value) + varint(len(r.Headers)) // 3: attributes and two deltas that are 0
	for i := range r.Headers {
		size += varint(len(r.Headers[i].Key)) + len(r.Headers[i].Key) + bytes(r.Headers[i].Value)
	}
	return batchOverhead + varint(size) + size
}

// copy puts data into the arena. Nil stays nil, and empty stays empty.
func (b *buffer) copy(data []byte) []byte {
	if data == nil {
		return nil
	}
	if b.arena == nil || len(data) > cap(b.arena)-len(b.arena) {
		b.arena = make([]byte, 0, max(arenaBytes, len(data)))
	}
	start := len(b.arena)
	b.arena = append(b.arena, data...)
	return b.arena[start:len(b.arena):len(b.arena)]
}

// copyHeaders copies the slice and the values: both may lie in a fetch buffer.
func (b *buffer) copyHeaders(headers []weir.Header) []weir.Header {
	if len(headers) == 0 {
		return nil
	}
	out := make([]weir.Header, len(headers))
	for i, h := range headers {
		out[i] = weir.Header{Key: h.Key, Value: b.copy(h.Value)}
	}
	return out
}

// send hands the records of one partition to the producer, which owns them from then on.
func (o *Outbox) send(ctx context.Context, b *buffer) error {
	records := b.records
	o.pending -= len(records)
	b.topic.sent.Add(int64(len(records)))
	b.records, b.bytes = make([]broker.Record, 0, len(records)), 0
	return o.producer.Send(ctx, b.tp, records)
}

// SendAll hands over everything.
func (o *Outbox) SendAll(ctx context.Context) error {
	if o.pending == 0 {
		return nil
	}
	for _, b := range o.buffers {
		if len(b.records) > 0 {
			if err := o.send(ctx, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// Sent adds the records of each topic that were handed to the producer, ever, to sent. Those of transactions that were aborted count. Any
// goroutine may call it.
func (o *Outbox) Sent(sent map[string]int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, t := range o.each {
		sent[t.topic] += t.sent.Load()
	}
}

// Pending returns the number of records that were not handed over yet.
func (o *Outbox) Pending() int { return o.pending }

// NodeOf returns the first node with a function that named the topic, or nil.
func (o *Outbox) NodeOf(topic string) *graph.Node {
	if t := o.topics[topic]; t != nil {
		return t.node
	}
	return nil
}

// Drop forgets everything that has not been handed over.
func (o *Outbox) Drop() {
	for _, b := range o.buffers {
		b.records, b.bytes = nil, 0
	}
	o.pending = 0
}
