package engine_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/murmur2"
)

// A store of windows behind a repartition topic keeps, while IdleTimeout is set, how far its windows are closed: one of the tasks in
// front holds others back, so that the times of records do not tell. When IdleTimeout is set, changed or not set any more, no window
// is closed twice and none is left, with the database that is there as with one that is restored from the changelog.
func TestSwitchingIdleTimeoutClosesEachWindowOnce(t *testing.T) {
	for _, moves := range []string{"restarts", "rebalances"} {
		for _, exactly := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, exactly once %v", moves, exactly), func(t *testing.T) {
				c := newCluster(t, pipeline(), 2)
				c.config.ExactlyOnce = exactly
				s := &switching{cluster: c, disk: memoryDisk{}}
				s.next = func() { s.restart() }
				if moves == "rebalances" {
					s.next = func() { s.rebalance() }
				}

				c.config.IdleTimeout = 8 * time.Second
				s.process = c.mustStart(s.disk)
				s.send("a", 1, 0)
				s.send("a", 2, 5)
				s.send("a", 4, 12)
				s.check("the silent partition holds the first window back", noPaceRow)

				s.switchTo(0)
				s.send("b", 8, 13)
				s.check("without a timeout it is closed by the times of records", noRow, "a@0=3")
				s.send("a", 16, 25)
				s.check("and so is the next", noRow, "a@0=3", "a@10=4")

				s.switchTo(20 * time.Second)
				s.send("a", 32, 15)
				s.check("with one again, windows that are closed stay closed", 25, "a@0=3", "a@10=4")
				s.send("b", 64, 31)
				s.check("and those close that were open then, and have ended before", 25, "a@0=3", "a@10=4", "b@10=8")
				s.send("a", 128, 41)
				s.check("later ones are held back", 25, "a@0=3", "a@10=4", "b@10=8")

				s.switchTo(8 * time.Second)
				s.send("a", 256, 26)
				s.check("with another value too", 25, "a@0=3", "a@10=4", "b@10=8")
				for range 20 {
					c.clock.Advance(time.Second)
					s.process.mustRun()
				}
				s.checkLater("until the silent partition has come as far", 41, "a@0=3", "a@10=4", "b@10=8", "a@20=272", "a@40=128", "b@30=64")
				s.send("a", 512, 33)
				s.checkLater("and stay closed", 41, "a@0=3", "a@10=4", "b@10=8", "a@20=272", "a@40=128", "b@30=64")

				s.switchTo(0)
				s.send("b", 1024, 45)
				s.check("also without a timeout", noRow, "a@0=3", "a@10=4", "b@10=8", "a@20=272", "a@40=128", "b@30=64")
			})
		}
	}
}

const (
	// noRow stands for a changelog without the row, noPaceRow for a row that says that nothing is closed.
	noRow     = -1
	noPaceRow = -2
)

// switching is a group of one process, and a setting that changes from one process to the next.
type switching struct {
	*cluster
	process *process
	disk    disk
	next    func()
}

// switchTo replaces the process by one with another timeout.
func (s *switching) switchTo(timeout time.Duration) {
	s.config.IdleTimeout = timeout
	s.next()
	s.process.mustRun()
}

func (s *switching) restart() {
	s.process.mustClose()
	s.process = s.mustStart(s.disk)
}

// rebalance lets a process join on another machine before the former one leaves.
func (s *switching) rebalance() {
	former := s.process
	s.disk = memoryDisk{}
	second, err := s.start(s.disk, fmt.Sprint("instance ", len(s.starts)))
	if err != nil {
		s.t.Fatal(err)
	}
	for range 5 {
		for _, p := range []*process{second, former} {
			if _, err := p.step(); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	former.mustClose()
	s.process = second
	s.clock.Advance(2 * session) // static members do not leave
	s.process.mustRun()
}

// send appends an order, always to the same partition, and lets it be processed.
func (s *switching) send(shop string, amount int, millis int64) {
	s.t.Helper()
	value, err := json.Marshal(order{ID: s.ids, Shop: shop, Amount: amount})
	if err != nil {
		s.t.Fatal(err)
	}
	s.ids++
	var key []byte
	for n := 0; key == nil || murmur2.Partition(key, 2) != 0; n++ {
		key = fmt.Appendf(nil, "customer %d", n)
	}
	r := broker.Record{Key: key, Value: value, Millis: begin.UnixMilli() + millis}
	if err := s.broker.Append(broker.TopicPartition{Topic: orders.Name(), Partition: 0}, r); err != nil {
		s.t.Fatal(err)
	}
	s.process.mustRun()
	s.checkpoint()
}

func (s *switching) checkpoint() {
	s.t.Helper()
	for range 2 {
		for _, w := range s.process.workers {
			if err := w.Checkpoint(s.t.Context()); err != nil {
				s.t.Fatal(err)
			}
		}
		s.process.mustRun()
	}
}

// check compares all results, in any order of shops, and the row.
func (s *switching) check(why string, row int64, results ...string) {
	s.t.Helper()
	if got := s.row(); got != row {
		s.t.Errorf("%s: the row is %d, want %d", why, got, row)
	}
	s.compare(why, results)
}

// checkLater is check for a row that is at least a time.
func (s *switching) checkLater(why string, least int64, results ...string) {
	s.t.Helper()
	s.checkpoint()
	if got := s.row(); got < least {
		s.t.Errorf("%s: the row is %d, want %d at least", why, got, least)
	}
	s.compare(why, results)
}

func (s *switching) compare(why string, want []string) {
	s.t.Helper()
	var got []string
	for p := range int32(2) {
		for _, r := range s.broker.Read(broker.TopicPartition{Topic: windows.Name(), Partition: p}, 0) {
			var l windowLine
			if err := json.Unmarshal(r.Value, &l); err != nil {
				s.t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%s@%d=%d", l.Shop, l.Start-begin.UnixMilli(), l.Sum))
		}
	}
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if diff := gocmp.Diff(want, got); diff != "" {
		s.t.Fatalf("%s (-want +got):\n%s", why, diff)
	}
}

// row returns how far the windows of the shops are closed, since the first order, as a restore from the changelog finds it.
func (s *switching) row() int64 {
	s.t.Helper()
	row := int64(noRow)
	tp := broker.TopicPartition{Topic: windowChangelog, Partition: murmur2.Partition([]byte("a"), 2)}
	if other := murmur2.Partition([]byte("b"), 2); other != tp.Partition {
		s.t.Fatalf("the shops are in partitions %d and %d", tp.Partition, other)
	}
	for _, r := range s.broker.Read(tp, 0) {
		if string(r.Key) != "p" {
			continue
		}
		millis, n := binary.Varint(r.Value)
		switch {
		case r.Value == nil:
			row = noRow
		case n != len(r.Value):
			s.t.Fatalf("the row is %x", r.Value)
		case millis < 0:
			row = noPaceRow
		default:
			row = millis - begin.UnixMilli()
		}
	}
	return row
}
