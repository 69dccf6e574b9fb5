package runtime_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

const patience = 60 * time.Second

// within returns a context that ends before a test would seem to hang.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	t.Cleanup(cancel)
	return ctx
}

// await waits until a condition holds.
func await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	ctx := within(t)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// testCluster is a cluster with topics for one test.
type testCluster struct {
	*kafkatest.Kafka
	broker.Cluster
	t     testing.TB
	group string
}

func newKafka(t testing.TB) *testCluster {
	t.Helper()
	k := &testCluster{Kafka: kafkatest.Start(t), t: t}
	k.group = k.Name("group")
	var err error
	k.Cluster, err = saramabroker.Open(t.Context(), saramabroker.Config{Brokers: k.Brokers, Logger: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func logger(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// config returns a configuration that checkpoints every few records.
func (k *testCluster) config() runtime.Config {
	return runtime.Config{
		Connection: kafka.Connection{Brokers: k.Brokers}, Group: k.group, Workers: 1,
		State: runtime.StateConfig{Dir: k.t.TempDir(), LockWait: time.Second}, Checkpoint: runtime.CheckpointConfig{Records: 4},
		IgnoreSignals: true, Logger: logger(k.t),
	}
}

// now is recent enough for no cluster to delete the records.
var now = time.Now().UnixMilli()

// number is a record whose value is n.
func number(n int) broker.Record { return raw(strconv.Itoa(n%keys), strconv.Itoa(n)) }

// keys is how many keys numbers have.
const keys = 3

func raw(key, value string) broker.Record {
	return broker.Record{Key: []byte(key), Value: []byte(value), Millis: now}
}

func numbers(from, to int) []broker.Record {
	var records []broker.Record
	for n := from; n < to; n++ {
		records = append(records, number(n))
	}
	return records
}

// write appends records to a partition.
func (k *testCluster) write(topic string, partition int32, records ...broker.Record) {
	k.t.Helper()
	p, err := k.NewProducer(broker.ProducerConfig{MaxRecordBytes: 2 << 20})
	if err != nil {
		k.t.Fatal(err)
	}
	defer p.Close()
	if err := p.Send(within(k.t), broker.TopicPartition{Topic: topic, Partition: partition}, records); err != nil {
		k.t.Fatal(err)
	}
	if err := p.Flush(within(k.t)); err != nil {
		k.t.Fatal(err)
	}
}

// read returns everything that is in a topic.
func (k *testCluster) read(topic string) []broker.Record {
	k.t.Helper()
	ctx := within(k.t)
	infos, err := k.Topics(ctx, topic)
	if err != nil {
		k.t.Fatal(err)
	}
	var records []broker.Record
	for p := range infos[topic].Partitions {
		tp := broker.TopicPartition{Topic: topic, Partition: p}
		ends, err := k.Offsets(ctx, broker.End, tp)
		if err != nil {
			k.t.Fatal(err)
		}
		if ends[tp] > 0 {
			records = append(records, k.readPartition(ctx, tp, ends[tp])...)
		}
	}
	return records
}

func (k *testCluster) readPartition(ctx context.Context, tp broker.TopicPartition, end int64) []broker.Record {
	k.t.Helper()
	f, err := k.NewFetcher(broker.FetcherConfig{})
	if err != nil {
		k.t.Fatal(err)
	}
	defer f.Close()
	f.Start(tp, 0)
	var records []broker.Record
	for next := int64(0); next < end; {
		batch, err := f.Poll(ctx, time.Second)
		if err != nil {
			k.t.Fatal(err)
		}
		if batch == nil {
			continue
		}
		for _, r := range batch.Records {
			r.Key, r.Value, r.Headers = bytes.Clone(r.Key), bytes.Clone(r.Value), slices.Clone(r.Headers)
			for i := range r.Headers {
				r.Headers[i].Value = bytes.Clone(r.Headers[i].Value)
			}
			records = append(records, r)
		}
		next = batch.NextOffset
		batch.Release()
	}
	return records
}

// committed returns the next offset of a partition that the group has committed, or 0.
func (k *testCluster) committed(topic string, partition int32) int64 {
	k.t.Helper()
	tp := broker.TopicPartition{Topic: topic, Partition: partition}
	offsets, err := k.CommittedOffsets(within(k.t), k.group, tp)
	if err != nil {
		k.t.Fatal(err)
	}
	return offsets[tp]
}

// running is an application that runs.
type running struct {
	*runtime.App
	t      testing.TB
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// run starts an application. It is stopped at the end of the test at the latest.
func run(t testing.TB, topology *stream.Topology, config runtime.Config) *running {
	t.Helper()
	app, err := runtime.New(topology, config)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{App: app, t: t, done: make(chan struct{})}
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.WithoutCancel(t.Context()))
	go func() {
		defer close(r.done)
		r.err = app.Run(ctx)
	}()
	t.Cleanup(func() { r.cancel(); <-r.done })
	return r
}

// failure waits until the application has ended and returns the error.
func (r *running) failure() error {
	r.t.Helper()
	select {
	case <-r.done:
	case <-within(r.t).Done():
		r.t.Fatalf("the application did not end within %v: %+v", patience, r.Status())
	}
	return r.err
}

// stop stops the application, which must not fail.
func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	if err := r.failure(); err != nil {
		r.t.Fatal(err)
	}
}

// await waits until the status satisfies a condition.
func (r *running) await(what string, condition func(runtime.Status) bool) {
	r.t.Helper()
	await(r.t, what, func() bool {
		select {
		case <-r.done:
			r.t.Fatalf("%s: the application has ended: %v", what, r.err)
		default:
		}
		return condition(r.Status())
	})
}

// awaitProcessed waits until so many records were read.
func (r *running) awaitProcessed(n int64) {
	r.t.Helper()
	r.await(fmt.Sprintf("%d records processed", n), func(s runtime.Status) bool { return processed(s) >= n })
}

func processed(s runtime.Status) (n int64) {
	for _, t := range s.Tasks {
		n += t.Processed
	}
	return n
}

// unlucky is the number that something is wrong with.
const unlucky = 13

// pipeline adds numbers up by key and writes them to a topic, with their sum. It keeps the sums in a store.
type pipeline struct {
	input, output string
	// Codecs are JSON by default.
	key, value, outputKey, state codec.Codec[int]
	outputValue                  codec.Codec[total]
	// f may do what it wants with unlucky. The default changes nothing.
	f    func(context.Context, int) (int, error)
	seen *offsets
}

// total is a number, and the sum of the numbers of its key so far.
type total struct{ Number, Sum int }

func (p pipeline) topology() *stream.Topology {
	t := stream.NewTopology()
	p.key, p.value = orJSON(p.key), orJSON(p.value)
	p.outputKey, p.state = orJSON(p.outputKey), orJSON(p.state)
	p.outputValue = orJSON(p.outputValue)
	if p.f == nil {
		p.f = func(_ context.Context, n int) (int, error) { return n, nil }
	}
	t.From(stream.NewTopic(p.input, p.key, p.value)).
		PeekRecord(func(_ context.Context, r weir.Record[int, int]) error { p.seen.add(r.Origin.Offset); return nil }).
		MapWith(p.f).
		MapState(store.NewCell[int]("sum").WithCodec(p.state), func(sum *store.Cell[int], n int) total {
			s, _ := sum.Get()
			sum.Set(s + n)
			return total{Number: n, Sum: s + n}
		}).
		To(stream.NewTopic(p.output, p.outputKey, p.outputValue))
	return t
}

// orJSON returns a codec, or JSON in the type of codecs that tests break: a broken codec and its repair are one codec to the check of
// upgrades.
func orJSON[T any](c codec.Codec[T]) codec.Codec[T] {
	if c == nil {
		return altered[T]{Codec: codec.JSON[T]()}
	}
	return c
}

// offsets are those of the records that were processed.
type offsets struct {
	mu   sync.Mutex // guards list
	list []int64
}

func (o *offsets) add(offset int64) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, offset)
}

func (o *offsets) get() []int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.list)
}

// altered is a codec with another encoding, or another decoding, of some values.
type altered[T any] struct {
	codec.Codec[T]
	encode func(dst []byte, v T) ([]byte, error)
	broken func() T // what data is decoded to that does not decode
}

func (a altered[T]) Append(dst []byte, c *codec.Context, v T) ([]byte, error) {
	if a.encode != nil {
		if out, err := a.encode(dst, v); out != nil || err != nil {
			return out, err
		}
	}
	return a.Codec.Append(dst, c, v)
}

func (a altered[T]) Decode(c *codec.Context, data []byte) (T, error) {
	v, err := a.Codec.Decode(c, data)
	if err != nil && a.broken != nil {
		return a.broken(), nil
	}
	return v, err
}

// process is another process, see runChild.
type process struct {
	*exec.Cmd
	t      testing.TB
	input  io.Closer
	ready  chan struct{}
	exited chan struct{}
	output bytes.Buffer // complete when exited is closed
}

func start(t testing.TB, c child) *process {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(executable), t: t, ready: make(chan struct{}), exited: make(chan struct{})}
	p.Env = append(os.Environ(), childVariable+"="+string(text))
	p.Stderr = t.Output()
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.input, err = p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if lines.Text() == childReady {
				close(p.ready)
				continue
			}
			p.output.WriteString(lines.Text() + "\n")
		}
		p.Wait()
	}()
	t.Cleanup(func() { p.Process.Kill(); <-p.exited })
	return p
}

func (p *process) awaitReady() {
	p.t.Helper()
	select {
	case <-p.ready:
	case <-p.exited:
		p.t.Fatalf("the other process has ended (%v): %s", p.ProcessState, p.output.String())
	case <-within(p.t).Done():
		p.t.Fatalf("the other process is not ready within %v", patience)
	}
}

func (p *process) awaitExit() {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-within(p.t).Done():
		p.t.Fatalf("the other process did not end within %v", patience)
	}
}

// deleteTopic deletes a topic and waits until it is gone.
func (k *testCluster) deleteTopic(topic string) {
	k.t.Helper()
	conf := sarama.NewConfig()
	conf.Version = sarama.V3_6_0_0
	admin, err := sarama.NewClusterAdmin(k.Brokers, conf)
	if err != nil {
		k.t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.DeleteTopic(topic); err != nil {
		k.t.Fatal(err)
	}
	await(k.t, "the end of topic "+topic, func() bool {
		known, err := k.Topics(k.t.Context(), topic)
		return err == nil && len(known) == 0
	})
}
