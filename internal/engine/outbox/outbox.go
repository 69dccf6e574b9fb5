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
	lent    *lent     // to producer

	mu   sync.Mutex // guards each
	each []*Topic   // all topics
}

const (
	// sendRecords and sendBytes are how much makes a batch: the cost of a record falls with the size of its batch, steeply
	// up to about a thousand.
	sendRecords = 2000
	sendBytes   = 256 << 10
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

// buffer has the records of a partition that were not handed over yet.
type buffer struct {
	tp    broker.TopicPartition
	topic *Topic
	run   *run // nil without records
	bytes int  // of the records as a batch, at most
	last  int  // records that were handed over last
}

// New returns an empty outbox. topics are those of the plan, and step returns the context of the running step.
func New(producer broker.Producer, topics *provision.Topics, compressed bool, step func() context.Context) *Outbox {
	o := &Outbox{known: topics, compressed: compressed, step: step, topics: map[string]*Topic{}, found: map[string]broker.TopicInfo{}}
	o.use(producer)
	return o
}

// use makes a producer the one that gets records.
func (o *Outbox) use(producer broker.Producer) {
	o.producer = producer
	o.lent = &lent{runs: map[*broker.Record]*run{}} // a former one may never release what it has
	producer.OnReleased(o.lent.released)
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
	bytes, err := t.check(r)
	if err != nil {
		return &weir.ProduceError{Topic: t.topic, Partition: partition, Err: err}
	}
	b := t.buffers[partition]
	if b == nil {
		b = &buffer{tp: broker.TopicPartition{Topic: t.topic, Partition: partition}, topic: t}
		t.buffers[partition] = b
		t.outbox.buffers = append(t.outbox.buffers, b)
	}
	if b.run != nil && b.bytes+bytes > sendBytes { // the producer would make two batches of it
		if err := t.outbox.send(t.outbox.step(), b); err != nil {
			return operator.Fatal(err)
		}
	}
	if b.run == nil {
		b.run = newRun(b.last)
	}
	b.run.add(r)
	b.bytes += bytes
	t.outbox.pending++
	if len(b.run.records) >= sendRecords || b.bytes >= sendBytes {
		return operator.Fatal(t.outbox.send(t.outbox.step(), b))
	}
	return nil
}

// check returns the greatest size of a record in a batch, or the reason for which the topic does not take it, by its settings when Run
// began. The cluster has the last word, for instance on timestamps: see narrowing.
func (t *Topic) check(r *broker.Record) (bytes int, err error) {
	bytes = recordOverhead + len(r.Key) + len(r.Value)
	for i := range r.Headers {
		bytes += headerOverhead + len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	if batchOverhead+bytes > t.largest {
		if size := encodedSize(r); size > t.largest {
			return 0, fmt.Errorf("the record is too large: %d bytes, and the limit is %d: %s", size, t.largest, t.sizeRemedy())
		}
	}
	if r.Millis < 0 {
		return 0, fmt.Errorf("the time of the record is %d ms before 1970, which Kafka does not take", -r.Millis)
	}
	if r.Key == nil && t.limits.Compacted {
		return 0, errors.New("the record has no key, and the topic is compacted: give it a key, or set cleanup.policy of the topic to delete")
	}
	return bytes, nil
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

// send hands the records of one partition to the producer, which has them until it releases them.
func (o *Outbox) send(ctx context.Context, b *buffer) error {
	full := b.run
	o.pending -= len(full.records)
	b.topic.sent.Add(int64(len(full.records)))
	b.run, b.bytes, b.last = nil, 0, len(full.records)
	o.lent.add(full)
	return o.producer.Send(ctx, b.tp, full.records)
}

// SendAll hands over everything.
func (o *Outbox) SendAll(ctx context.Context) error {
	if o.pending == 0 {
		return nil
	}
	for _, b := range o.buffers {
		if b.run != nil {
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
		if b.run != nil {
			b.run.free()
			b.run, b.bytes = nil, 0
		}
	}
	o.pending = 0
}
