package simbroker_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/longtest"
)

// TestCopiesCountOnce lets processes copy records from one topic to another in transactions, while they crash, fall
// behind, are fenced and cannot be reached, at any call. The copy must be the same as the original.
func TestCopiesCountOnce(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	happened := map[string]int{}
	seeds := 0
	longtest.Seeds(t, rounds, func(t *testing.T, seed uint64) {
		seeds++
		t.Run(fmt.Sprint(seed), func(t *testing.T) { copyAtRandom(t, seed, happened) })
	})
	t.Log(happened)
	for _, what := range []string{
		"committed", "crash", "lost partition", "stale member", "fenced producer", "aborted", "unknown outcome",
		"late", "lost", "outage", "waited",
	} {
		if happened[what] == 0 && seeds > 100 {
			t.Errorf("nothing of the kind happened: %s", what)
		}
	}
}

const (
	copyPartitions = 4
	copySlots      = 3
)

// errCrash is what the hook panics with to end the process whose turn it is.
var errCrash = errors.New("crash")

// copyWorld is what the processes of one seed share.
type copyWorld struct {
	t         *testing.T
	rand      *rand.Rand
	broker    *simbroker.Broker
	clock     *clock.Virtual
	processes []*copier
	inputs    [copyPartitions]int
	// faults is how many calls in a thousand go wrong in some way.
	faults   int
	happened map[string]int
	depth    int
}

// copier is a process.
type copier struct {
	*copyWorld
	slot      int
	group     broker.Group
	fetcher   broker.Fetcher
	producer  broker.Producer
	committed map[broker.TopicPartition]int64
	position  map[broker.TopicPartition]int64
	owed      *broker.GroupEvent // Done is to be called
	busy      bool
	dead      bool
}

func copyAtRandom(t *testing.T, seed uint64, happened map[string]int) {
	w := &copyWorld{t: t, rand: rand.New(rand.NewPCG(seed, 1)), happened: happened}
	w.broker, w.clock = newBroker(t, map[string]int32{"in": copyPartitions, "out": copyPartitions})
	w.broker.MaxBatchRecords = 1 + w.rand.IntN(4)
	w.broker.DeliverOnSend = w.rand.IntN(2) == 0
	w.broker.SlowGroups = w.rand.IntN(4) == 0
	w.broker.OnCall = w.onCall
	w.broker.MarkerDelay = func(broker.TopicPartition) time.Duration {
		return time.Duration(max(0, w.rand.IntN(6000)-3000)) * time.Millisecond
	}
	if w.rand.IntN(2) == 0 {
		w.broker.Wait = func(time.Time) {
			w.happened["waited"]++
			w.clock.Advance(time.Duration(1+w.rand.IntN(4000)) * time.Millisecond)
			if w.rand.IntN(4) == 0 {
				w.broker.DeliverLate()
			}
			if w.rand.IntN(8) == 0 {
				w.broker.StartBrokers()
			}
		}
	}
	w.faults = 1 + w.rand.IntN(40)
	for range 600 {
		w.step()
	}
	w.settle()
}

func (w *copyWorld) step() {
	dice := w.rand.IntN(100)
	switch {
	case dice < 10:
		partition := w.rand.IntN(copyPartitions)
		check(w.t, w.broker.Append(tp("in", int32(partition)), record("k", fmt.Sprint(w.inputs[partition]))))
		w.inputs[partition]++
	case dice < 18:
		w.clock.Advance(time.Duration(w.rand.IntN(1500)) * time.Millisecond)
	case dice < 19:
		w.clock.Advance(time.Duration(w.rand.IntN(20_000)) * time.Millisecond)
	case dice < 20:
		w.broker.DeliverLate()
	case dice < 22:
		w.broker.StartBrokers()
	case dice < 23 && w.rand.IntN(4) == 0:
		w.happened["outage"]++
		w.broker.StopBrokers()
	case dice < 24 && w.rand.IntN(4) == 0 || len(w.processes) < copySlots:
		w.start(w.rand.IntN(copySlots)) // the one that has the slot, if any, goes on as a zombie
	default:
		w.processes[w.rand.IntN(len(w.processes))].step()
	}
	w.processes = slices.DeleteFunc(w.processes, func(c *copier) bool { return c.dead })
}

// onCall is where everything goes wrong.
func (w *copyWorld) onCall(op simbroker.Op) error {
	if w.rand.IntN(1000) >= w.faults {
		return nil
	}
	var fault error
	switch w.rand.IntN(6) {
	case 0:
		panic(errCrash)
	case 1:
		w.happened["lost"]++
		fault = simbroker.ErrLost
	case 2:
		if !op.After {
			w.happened["late"]++
			return simbroker.ErrLate
		}
	case 3:
		return errInjected
	case 4:
		w.clock.Advance(time.Duration(w.rand.IntN(15_000)) * time.Millisecond)
	}
	w.others()
	return fault
}

// others lets other processes work during a call.
func (w *copyWorld) others() {
	if w.depth == 2 {
		return
	}
	w.depth++
	defer func() { w.depth-- }()
	if w.rand.IntN(8) == 0 {
		w.start(w.rand.IntN(copySlots))
	}
	for range w.rand.IntN(12) {
		if len(w.processes) > 0 {
			w.processes[w.rand.IntN(len(w.processes))].step()
		}
	}
}

// start starts a process in a slot.
func (w *copyWorld) start(slot int) {
	c := &copier{
		copyWorld: w, slot: slot,
		committed: map[broker.TopicPartition]int64{}, position: map[broker.TopicPartition]int64{},
	}
	c.alive(func() error {
		var err error
		c.group, err = w.broker.NewGroup(broker.GroupConfig{
			Group: "g", Topics: [][]string{{"in"}}, SessionTimeout: randomSession, RebalanceTimeout: randomRebalance,
		})
		if err == nil {
			c.fetcher, err = w.broker.NewFetcher(broker.FetcherConfig{})
		}
		if err == nil {
			err = c.connect()
		}
		return err
	})
	if !c.dead {
		w.processes = append(w.processes, c)
	}
}

func (c *copier) connect() (err error) {
	c.producer, err = c.broker.NewProducer(broker.ProducerConfig{
		TransactionalID: fmt.Sprint("slot-", c.slot), TransactionTimeout: 30 * time.Second,
	})
	return err
}

// alive runs a part of a process. A crash, and an error that it cannot handle, end the process.
func (c *copier) alive(work func() error) {
	if c.busy || c.dead {
		return
	}
	depth := c.depth
	c.busy = true
	defer func() {
		c.busy = false
		switch p := recover(); p {
		case nil:
		case any(errCrash):
			c.depth = depth
			c.happened["crash"]++
			c.kill()
		default:
			panic(p)
		}
	}()
	if err := work(); err != nil {
		c.kill()
	}
}

func (c *copier) kill() {
	c.dead = true
	for _, client := range []any{c.group, c.fetcher, c.producer} {
		if client != nil {
			c.broker.Kill(client)
		}
	}
}

func (c *copier) step() {
	dice := c.rand.IntN(100)
	c.alive(func() error {
		switch {
		case dice < 25:
			return c.poll()
		case dice < 50:
			if c.owed != nil {
				c.owed.Done()
				c.owed = nil
			}
			return nil
		case dice < 80:
			return c.copy()
		default:
			return c.commit()
		}
	})
}

func (c *copier) poll() error {
	ctx := context.Background()
	event, err := c.group.Poll(ctx, 0)
	if err != nil || event == nil {
		return err
	}
	c.owed = event
	switch event.Kind {
	case broker.Assigned:
		offsets, err := c.broker.CommittedOffsets(ctx, "g", event.Partitions...)
		if err != nil {
			return err
		}
		for _, tp := range event.Partitions {
			c.committed[tp], c.position[tp] = offsets[tp], offsets[tp]
			c.fetcher.Start(tp, offsets[tp])
		}
		return nil
	case broker.Revoked:
		err = c.commit()
	case broker.Lost:
		c.happened["lost partition"]++
		err = c.rewind(broker.ErrAborted)
	}
	for _, tp := range event.Partitions {
		c.fetcher.Stop(tp)
		delete(c.committed, tp)
		delete(c.position, tp)
	}
	return err
}

func (c *copier) copy() error {
	batch, err := c.fetcher.Poll(context.Background(), 0)
	if err != nil || batch == nil {
		return err
	}
	defer batch.Release()
	for _, r := range batch.Records {
		r.Value = slices.Clone(r.Value)
		if err := c.producer.Send(context.Background(), tp("out", batch.Partition), []broker.Record{{Key: []byte("k"), Value: r.Value}}); err != nil {
			return c.rewind(err)
		}
	}
	c.position[batch.TopicPartition] = batch.NextOffset
	return nil
}

func (c *copier) commit() error {
	moved := maps.Clone(c.position)
	maps.DeleteFunc(moved, func(tp broker.TopicPartition, offset int64) bool { return offset == c.committed[tp] })
	if err := c.producer.Commit(context.Background(), c.group.Member(), moved, nil); err != nil {
		return c.rewind(err)
	}
	if len(moved) > 0 {
		c.happened["committed"]++
	}
	maps.Copy(c.committed, moved)
	return nil
}

// rewind goes back to what was committed last, unless nobody knows what that is.
func (c *copier) rewind(cause error) error {
	switch {
	case errors.Is(cause, broker.ErrAborted):
		what := "aborted"
		if errors.Is(cause, weir.ErrFenced) {
			what = "stale member"
		}
		c.happened[what]++
		if c.producer.Abort(context.Background()) == nil {
			break
		}
		fallthrough
	case errors.Is(cause, weir.ErrFenced):
		c.happened["fenced producer"]++
		if err := c.producer.Close(); err != nil {
			return err
		}
		if err := c.connect(); err != nil {
			return err
		}
	default:
		c.happened["unknown outcome"]++
		return cause
	}
	for _, tp := range sortedKeys(c.committed) {
		c.position[tp] = c.committed[tp]
		c.fetcher.Start(tp, c.committed[tp])
	}
	return nil
}

func sortedKeys(m map[broker.TopicPartition]int64) []broker.TopicPartition {
	return slices.SortedFunc(maps.Keys(m), func(a, b broker.TopicPartition) int { return int(a.Partition - b.Partition) })
}

// settle lets everybody work without faults until all is copied.
func (w *copyWorld) settle() {
	w.faults = 0
	w.broker.StartBrokers()
	w.broker.DeliverLate()
	var slots [copySlots]bool
	for _, c := range w.processes {
		if slots[c.slot] {
			c.kill() // two of a slot would fence each other for ever
		}
		slots[c.slot] = true
	}
	for range 200 {
		w.processes = slices.DeleteFunc(w.processes, func(c *copier) bool { return c.dead })
		if len(w.processes) == 0 {
			w.start(0)
		}
		for _, c := range w.processes {
			c.alive(c.poll)
			if c.owed != nil {
				c.owed.Done()
				c.owed = nil
			}
			for range 10 {
				c.alive(c.copy)
			}
			c.alive(c.commit)
		}
		w.clock.Advance(time.Second)
		if w.copied() {
			break
		}
	}
	if !w.copied() {
		w.t.Errorf("stuck at %v of %v", w.broker.Committed("g"), w.inputs)
	}
	for partition := range int32(copyPartitions) {
		equal(w.t, fmt.Sprint("copy of partition ", partition), values(w.broker, tp("out", partition)), values(w.broker, tp("in", partition)))
	}
}

func (w *copyWorld) copied() bool {
	committed := w.broker.Committed("g")
	for partition := range int32(copyPartitions) {
		if committed[tp("in", partition)] < int64(w.inputs[partition]) {
			return false
		}
	}
	for partition := range int32(copyPartitions) {
		if e := ends(w.t, w.broker, tp("out", partition)); e[0] != e[1] {
			return false
		}
	}
	return true
}
