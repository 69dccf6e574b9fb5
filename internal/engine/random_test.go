package engine_test

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/broker/simbroker"
	"github.com/weirstreams/weir/internal/longtest"
)

// Processes of one group come, go, and crash at any call, while orders come in and changelogs are compacted. In the end
// nothing is lost, and the state is that of all input.
func TestRandomRunsLoseNothing(t *testing.T) {
	runs, deadline := 0, time.Now().Add(10*time.Second)
	longtest.Seeds(t, longtest.Cases(30, 120), func(t *testing.T, seed uint64) {
		if longtest.Repeats() || time.Now().Before(deadline) {
			runs++
			randomRun(t, seed, false)
		}
	})
	t.Logf("%d runs in the time that there was", runs)
}

type member struct {
	name string
	disk disk
	p    *process // nil while it is down
}

func randomRun(t *testing.T, seed uint64, calls bool) {
	random := rand.New(rand.NewPCG(seed, 0))
	chance := func(n int) bool { return random.IntN(n) == 0 }
	partitions := 1 + random.Int32N(3)
	topology, held := pipeline(), newHeldCalls(nil)
	if calls {
		own := rand.New(rand.NewPCG(seed, 1)) // the others take what they took
		topology, held = pipelineWithCalls(own.IntN(2) == 0, 1+own.IntN(4)), newHeldCalls(own.IntN)
	}
	c := newCluster(t, topology, partitions)
	c.config.Calls = held
	c.broker.DeliverOnSend = chance(2)
	c.broker.MaxBatchRecords = 1 + random.IntN(6)
	c.workers = 1 + random.IntN(2)
	if chance(2) {
		c.config.CheckpointRecords = 1 + random.IntN(10)
	}
	if chance(4) {
		c.config.CheckpointBytes = 1 + random.Int64N(2000)
	}
	if chance(3) {
		c.config.CacheBytes = 0
	}
	if longtest.Repeats() {
		c.config.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	members := make([]*member, 1+random.IntN(2))
	for i := range members {
		members[i] = &member{name: fmt.Sprintf("member %d", i), disk: memoryDisk{}}
		if chance(20) {
			members[i].disk = newPebbleDisk(t)
		}
	}
	rate := 20 + random.IntN(200)
	crashes := func(simbroker.Op) error {
		if chance(rate) {
			if chance(2) {
				panic(errCrash)
			}
			return errCrash
		}
		return nil
	}
	do := func(m *member, f func() error) {
		if err := f(); err != nil {
			if !errors.Is(err, errCrash) {
				t.Fatalf("%s: %v", m.name, err)
			}
			m.p = nil
		}
	}
	work := func(m *member) {
		if m.p == nil {
			instance := ""
			if len(members) == 1 {
				instance = m.name
			}
			do(m, func() (err error) { m.p, err = c.start(m.disk, instance); return err })
		} else {
			do(m, func() error { _, err := m.p.step(); return err })
		}
	}
	c.onCall = crashes
	var now int64
	for range 100 + random.IntN(300) {
		m := members[random.IntN(len(members))]
		if calls && held.choose(3) > 0 {
			held.one()
		}
		switch random.IntN(12) {
		case 0, 1:
			for range 1 + random.IntN(5) {
				now += random.Int64N(6)
				c.order(string(rune('a'+random.IntN(5))), random.IntN(100), max(0, now-random.Int64N(15)))
			}
		case 2:
			c.clock.Advance(time.Duration(random.Int64N(int64(interval))))
			for _, m := range members {
				if m.p != nil {
					work(m) // or its session would end while it works
				}
			}
		case 3:
			if m.p != nil && chance(3) {
				do(m, m.p.close)
				m.p = nil
			}
		case 4:
			if m.p == nil && chance(2) {
				m.disk.lose()
			}
		default:
			work(m)
		}
	}
	c.onCall = nil
	for range 60 { // long enough for the sessions of the dead to end
		c.clock.Advance(time.Second)
		for _, m := range members {
			for range 20 {
				work(m)
				held.one()
			}
		}
	}
	var ps []*process
	for _, m := range members {
		ps = append(ps, m.p)
	}
	c.checkLogs(len(members) > 1)
	c.checkState(ps...)
	for _, m := range members {
		m.p.mustClose()
	}
	// Compaction takes what does not count any more, and after a day the tombstones too.
	for range 3 {
		if err := errors.Join(c.broker.Compact(totalChangelog), c.broker.Compact(windowChangelog)); err != nil {
			t.Fatal(err)
		}
		c.clock.Advance(25 * time.Hour)
	}
	members[0].disk.lose()
	p, err := c.start(members[0].disk, members[0].name)
	if err != nil {
		t.Fatal(err)
	}
	p.mustRun()
	c.checkState(p)
	p.mustClose()
}
