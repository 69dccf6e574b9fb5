package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/stream"
)

// Two topics of a task. Their names are those of the harness.
var (
	topicA   = stream.NewTopic("orders", codec.String(), codec.String())
	topicB   = stream.NewTopic("totals", codec.String(), codec.String())
	topicOut = stream.NewTopic("windows", codec.String(), codec.String())
	a0       = broker.TopicPartition{Topic: "orders"}
	b0       = broker.TopicPartition{Topic: "totals"}
	out0     = broker.TopicPartition{Topic: "windows"}
)

func mergedTopology() *stream.Topology {
	t := stream.NewTopology()
	t.From(topicA).Merge(t.From(topicB)).To(topicOut)
	return t
}

// write appends a record per time. Its value names the topic and the time.
func (c *cluster) write(tp broker.TopicPartition, times ...int64) {
	c.t.Helper()
	for _, at := range times {
		name := "A"
		if tp.Topic == topicB.Name() {
			name = "B"
		}
		r := broker.Record{Key: fmt.Append(nil, at), Value: fmt.Appendf(nil, "%s%d", name, at), Millis: at}
		if err := c.broker.Append(tp, r); err != nil {
			c.t.Fatal(err)
		}
	}
}

// expectOrder checks what was processed so far.
func (c *cluster) expectOrder(p *process, want string) {
	c.t.Helper()
	p.mustRun()
	var got []string
	for _, r := range c.broker.Read(out0, 0) {
		got = append(got, string(r.Value))
	}
	if diff := gocmp.Diff(want, strings.Join(got, " ")); diff != "" {
		c.t.Errorf("order (-want +got):\n%s", diff)
	}
}

// hold pauses partitions of the workers from outside, as a slow leader does.
type holding struct {
	broker.Fetcher
	held   map[broker.TopicPartition]bool
	paused map[broker.TopicPartition]int
}

func (h *holding) Pause(tp broker.TopicPartition) { h.paused[tp]++; h.Fetcher.Pause(tp) }

func (h *holding) Start(tp broker.TopicPartition, offset int64) {
	h.StartAfter(tp, offset, broker.NoLeaderEpoch)
}

func (h *holding) StartAfter(tp broker.TopicPartition, offset int64, epoch int32) {
	h.Fetcher.StartAfter(tp, offset, epoch)
	if h.held[tp] {
		h.Fetcher.Pause(tp)
	}
}

func (h *holding) release(tp broker.TopicPartition) {
	delete(h.held, tp)
	h.Resume(tp)
}

// startHolding starts a process that cannot read some partitions.
func (c *cluster) startHolding(held ...broker.TopicPartition) (*process, *holding) {
	c.t.Helper()
	h := &holding{held: map[broker.TopicPartition]bool{}, paused: map[broker.TopicPartition]int{}}
	for _, tp := range held {
		h.held[tp] = true
	}
	c.wrapFetcher = func(f broker.Fetcher) broker.Fetcher { h.Fetcher = f; return h }
	return c.mustStart(memoryDisk{}), h
}

func newMerged(t *testing.T) *cluster {
	t.Helper()
	c := newCluster(t, mergedTopology(), 1)
	c.broker.DeliverOnSend = true
	return c
}

// D-51.
// J-3, J-9.
func TestInputsAreReadInTheOrderOfTimestamps(t *testing.T) {
	c := newMerged(t)
	c.write(a0, 10, 13, 14)
	c.write(b0, 11, 12, 13, 20)
	p := c.mustStart(memoryDisk{})
	c.expectOrder(p, "A10 B11 B12 A13 B13 A14 B20")
}

func TestWithinAnInputTheOrderIsThatOfOffsets(t *testing.T) {
	c := newMerged(t)
	c.write(a0, 10, 5, 30)
	c.write(b0, 7, 20)
	p := c.mustStart(memoryDisk{})
	c.expectOrder(p, "B7 A10 A5 B20 A30")
}

// Nothing is processed before what another input holds up, however long that takes.
func TestATaskWaitsForAnInputThatIsBehind(t *testing.T) {
	c := newMerged(t)
	c.write(a0, 10, 13, 30)
	c.write(b0, 11, 12)
	p, h := c.startHolding(b0)
	c.expectOrder(p, "")
	for range 5 {
		c.clock.Advance(time.Second)
		c.expectOrder(p, "")
	}
	h.release(b0)
	c.expectOrder(p, "A10 B11 B12 A13 A30")
}

func TestATaskDoesNotWaitForATopicThatIsEmpty(t *testing.T) {
	c := newMerged(t)
	c.write(a0, 10, 11)
	p := c.mustStart(memoryDisk{})
	c.expectOrder(p, "A10 A11")
	c.write(b0, 5)
	c.expectOrder(p, "A10 A11 B5")
}

func TestATaskDoesNotWaitForATopicThatWasReadToItsEndBefore(t *testing.T) {
	c := newMerged(t)
	c.write(a0, 10)
	c.write(b0, 11)
	p := c.mustStart(memoryDisk{})
	c.expectOrder(p, "A10 B11")
	p.mustClose()
	c.write(a0, 12)
	p = c.mustStart(memoryDisk{})
	c.expectOrder(p, "A10 B11 A12")
}

func TestATaskDoesNotWaitForATopicThatWasDeleted(t *testing.T) {
	var log bytes.Buffer
	c := newMerged(t)
	c.config.Logger = slog.New(slog.NewTextHandler(&log, nil))
	c.write(a0, 10, 11)
	c.write(b0, 5, 20)
	p, h := c.startHolding(b0)
	c.broker.DeleteTopic(topicB.Name())
	h.release(b0)
	for range 3 {
		c.clock.Advance(time.Second)
		p.mustRun()
	}
	c.expectOrder(p, "A10 A11")
	c.write(a0, 30)
	c.expectOrder(p, "A10 A11 A30")
	if n := strings.Count(log.String(), "does not exist any more"); n != 1 {
		t.Errorf("the log says %d times that the topic is gone:\n%s", n, log.String())
	}
}

// An aborted transaction takes offsets that bring no records, up to the end of the log.
func TestATaskDoesNotWaitForAbortedRecordsAndMarkers(t *testing.T) {
	c := newMerged(t)
	c.write(a0, 10, 15, 30)
	c.write(b0, 11)
	c.inTransaction(false, 12, 13)
	c.write(b0, 14)
	c.inTransaction(true, 16)
	c.inTransaction(false, 17)
	c.broker.MaxBatchRecords = 1
	p := c.mustStart(memoryDisk{})
	c.expectOrder(p, "A10 B11 B14 A15 B16 A30")
	if committed := c.committedAfterCheckpoint(p)[b0]; committed != c.broker.End(b0) {
		t.Errorf("offset %d of %d is committed: what was read behind the last record does not count", committed, c.broker.End(b0))
	}
}

func TestATaskDoesNotWaitForATransactionThatIsOpen(t *testing.T) {
	c := newMerged(t)
	c.write(a0, 10, 30)
	c.write(b0, 11)
	producer := c.transactional()
	if err := producer.Send(t.Context(), b0, []broker.Record{{Value: []byte("B12"), Millis: 12}}); err != nil {
		t.Fatal(err)
	}
	if err := producer.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := c.mustStart(memoryDisk{})
	c.expectOrder(p, "A10 B11 A30")
	if err := producer.Commit(t.Context(), broker.GroupMember{}, nil, nil); err != nil {
		t.Fatal(err)
	}
	c.expectOrder(p, "A10 B11 A30 B12")
}

func TestATaskDoesNotWaitForRecordsThatCompactionHasTaken(t *testing.T) {
	c := newCluster(t, mergedTopology(), 1, func(spec *broker.TopicSpec) {
		if spec.Name == topicB.Name() {
			spec.Config = map[string]string{"cleanup.policy": "compact"}
		}
	})
	c.broker.DeliverOnSend = true
	c.write(a0, 10, 30, 50)
	for _, at := range []int64{5, 11, 20, 40} { // one key, but for 20; the last one is deleted
		key := "k"
		if at == 20 {
			key = "other"
		}
		r := broker.Record{Key: []byte(key), Value: fmt.Appendf(nil, "B%d", at), Millis: at}
		if at == 40 {
			r.Value = nil
		}
		if err := c.broker.Append(b0, r); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := c.broker.Compact(topicB.Name()); err != nil {
			t.Fatal(err)
		}
		c.clock.Advance(25 * time.Hour)
	}
	p := c.mustStart(memoryDisk{})
	c.expectOrder(p, "A10 B20 A30 A50")
}

// What is held of an input is bounded, also while another one is waited for, and all of it is processed in the end.
func TestBuffersAreBounded(t *testing.T) {
	c := newMerged(t)
	c.config.MaxBufferedRecords = 10
	c.broker.MaxBatchRecords = 4
	var times []int64
	for at := range int64(200) {
		times = append(times, at)
	}
	c.write(a0, times...)
	c.write(b0, 500)
	p, h := c.startHolding(b0)
	p.mustRun()
	if n := c.broker.Unreleased(); n > 3 {
		t.Errorf("%d batches of 4 are held, and the limit is 10 records", n)
	}
	if h.paused[a0] != 1 {
		t.Errorf("the input was paused %d times, want once", h.paused[a0])
	}
	h.release(b0)
	p.mustRun()
	if n := len(c.broker.Read(out0, 0)); n != 201 {
		t.Errorf("%d of 201 records were processed", n)
	}
	if n := c.broker.Unreleased(); n != 0 {
		t.Errorf("%d batches were not released", n)
	}
}

func TestATaskGoesOnAfterAlignTimeout(t *testing.T) {
	c := newMerged(t)
	c.config.AlignTimeout = 10 * time.Second
	c.write(a0, 10, 30)
	c.write(b0, 11, 12)
	p, h := c.startHolding(b0)
	c.clock.Advance(9 * time.Second)
	c.expectOrder(p, "")
	c.clock.Advance(2 * time.Second)
	p.mustRun()
	c.expectOrder(p, "A10 A30")
	h.release(b0)
	c.expectOrder(p, "A10 A30 B11 B12")
}

// Records that retention takes while an input is held up were read already, or count as lost.
func TestWhatWasReadIsProcessedBeforeLostInputIsReported(t *testing.T) {
	c := newMerged(t)
	c.broker.MaxBatchRecords = 2
	c.config.MaxBufferedRecords = 2
	c.config.LostInput = 1 // continue
	c.write(a0, 10, 11, 12, 13, 14)
	c.write(b0, 20)
	p, h := c.startHolding(b0)
	p.mustRun()
	if err := c.broker.DeleteRecords(a0, 4); err != nil {
		t.Fatal(err)
	}
	h.release(b0)
	c.expectOrder(p, "A10 A11 A14 B20")
}

// Whatever the sizes of batches and buffers, the order is that of a merge by timestamp, if the logs are ordered and
// complete; and however they are filled, nothing is lost or comes twice.
func TestRandomInputsAreMerged(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		c := newMerged(t)
		c.broker.MaxBatchRecords = 1 + random.IntN(7)
		c.config.MaxBufferedRecords = 1 + random.IntN(20)
		c.config.CheckpointRecords = random.IntN(10)
		var all []string
		times := map[broker.TopicPartition]int64{}
		fill := func() {
			for range random.IntN(60) {
				tp := []broker.TopicPartition{a0, b0}[random.IntN(2)]
				times[tp] += random.Int64N(5)
				c.write(tp, times[tp])
			}
		}
		fill()
		for _, tp := range []broker.TopicPartition{a0, b0} {
			for _, r := range c.broker.Read(tp, 0) {
				all = append(all, fmt.Sprintf("%06d%s", r.Millis, r.Value[:1]))
			}
		}
		slices.Sort(all)
		p := c.mustStart(memoryDisk{})
		read := func() (got []string) {
			for _, r := range c.broker.Read(out0, 0) {
				got = append(got, fmt.Sprintf("%06d%s", r.Millis, r.Value[:1]))
			}
			return got
		}
		if diff := gocmp.Diff(all, read()); diff != "" {
			t.Fatalf("seed %d: order (-want +got):\n%s", seed, diff)
		}
		for range 3 {
			fill()
			p.mustRun()
		}
		if want := len(c.broker.Read(a0, 0)) + len(c.broker.Read(b0, 0)); len(read()) != want {
			t.Fatalf("seed %d: %d of %d records were processed", seed, len(read()), want)
		}
		p.mustClose()
		if n := c.broker.Unreleased(); n != 0 {
			t.Fatalf("seed %d: %d batches were not released", seed, n)
		}
	}
}

func (c *cluster) transactional() broker.Producer {
	c.t.Helper()
	c.ids++
	p, err := c.broker.NewProducer(broker.ProducerConfig{TransactionalID: fmt.Sprint("id ", c.ids), TransactionTimeout: time.Hour})
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// inTransaction writes to topic B.
func (c *cluster) inTransaction(commit bool, times ...int64) {
	c.t.Helper()
	p := c.transactional()
	var records []broker.Record
	for _, at := range times {
		records = append(records, broker.Record{Value: fmt.Appendf(nil, "B%d", at), Millis: at})
	}
	err := p.Send(context.Background(), b0, records)
	if err == nil && commit {
		err = p.Commit(context.Background(), broker.GroupMember{}, nil, nil)
	} else if err == nil {
		if err = p.Flush(context.Background()); err == nil {
			err = p.Abort(context.Background())
		}
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) committedAfterCheckpoint(p *process) map[broker.TopicPartition]int64 {
	c.t.Helper()
	if err := p.workers[0].Checkpoint(context.Background()); err != nil {
		c.t.Fatal(err)
	}
	return c.broker.Committed(groupName)
}
