package engine_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"maps"
	"testing"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/state"
)

// restoring is a line of the log that says what a restore reads.
type restoring struct {
	Store    string
	From, To int64
}

// restorings returns the lines of a log, and empties it.
func restorings(t *testing.T, log *bytes.Buffer) map[string]restoring {
	t.Helper()
	all := map[string]restoring{}
	for d := json.NewDecoder(log); d.More(); {
		var line struct {
			Msg string
			restoring
		}
		if err := d.Decode(&line); err != nil {
			t.Fatal(err)
		}
		if line.Msg == "restoring state" {
			all[line.Store] = line.restoring
		}
	}
	log.Reset()
	return all
}

// inParts lets changelogs be long and restores be written in parts, and returns what is logged.
func (c *cluster) inParts(loadRecords int) *bytes.Buffer {
	c.config.CheckpointRecords = 1
	c.broker.MaxBatchRecords = 5
	c.config.MaxLoadBytes, c.config.MinLoadBytes, c.config.LoadRecords = 1, 400, loadRecords
	var log bytes.Buffer
	c.config.Logger = slog.New(slog.NewJSONHandler(&log, nil))
	return &log
}

// crashWhileRestoring starts a process and kills it when it has restored n records.
func (c *cluster) crashWhileRestoring(d disk, n int64) {
	c.t.Helper()
	p, err := c.start(d, "static")
	if err != nil {
		c.t.Fatal(err)
	}
	for {
		busy, err := p.step()
		if err != nil || !busy {
			c.t.Fatalf("it has ended before %d records were restored: %v", n, err)
		}
		for _, s := range p.status() {
			if s.Restoring && s.Restored >= n {
				p.abandon()
				return
			}
		}
	}
}

// A process that is killed while it restores goes on where the last part ended that it has written, whether as a batch or as
// a table. A batch is durable by the next sync only, so in memory here.
func TestARestoreThatIsKilledGoesOnWhereItsLastPartEnded(t *testing.T) {
	for _, x := range []struct {
		name        string
		disk        func() disk
		loadRecords int
	}{
		{"tables in memory", func() disk { return memoryDisk{} }, 3},
		{"tables of Pebble", func() disk { return newPebbleDisk(t) }, 3},
		{"batches in memory", func() disk { return memoryDisk{} }, 1000},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := newCluster(t, pipeline(), 1)
			log := c.inParts(x.loadRecords)
			d := x.disk()
			const records = 200
			c.fill(d, records)
			d.lose()
			log.Reset()

			// A part of a store is at most 400 bytes and one batch more, 20 records.
			const part = 20
			var last map[string]restoring
			for round := range 3 {
				c.crashWhileRestoring(d, 100)
				now := restorings(t, log)
				for name, r := range last {
					if n := now[name].From - r.From; n < 50-part {
						t.Errorf("round %d: store %q is restored from offset %d, after %d", round, name, now[name].From, r.From)
					}
				}
				last = now
			}
			p := c.mustStart(d)
			rest := int64(0)
			for name, r := range restorings(t, log) {
				if n := r.From - last[name].From; n < 50-part {
					t.Errorf("in the end store %q is restored from offset %d, after %d", name, r.From, last[name].From)
				}
				rest += r.To - r.From
			}
			if n := p.status()[1].Restored; n > rest || n == 0 {
				t.Errorf("%d records were restored, and %d were left", n, rest)
			}
			c.checkState(p)
			c.order("a", 1, records)
			c.settle(p)
			c.checkState(p)
			c.checkLogs(false)
		})
	}
}

// What a restore does not apply is met again after a crash, although a part that lies behind it was written.
func TestWhatAPartOfARestoreSkippedIsMetAgain(t *testing.T) {
	c := newCluster(t, pipeline(), 1)
	log := c.inParts(3)
	d := memoryDisk{}
	const records = 60
	c.fill(d, records)

	// A checkpoint leaves a total, and does not commit the offset that it carries. Nobody takes it back before others follow.
	written := c.broker.Read(totalChangelog0, 0)
	end := written[len(written)-1].Offset + 1
	written = written[:len(written)-1] // without the record that says that the task was closed in order
	left := written[len(written)-1]
	left.Key = append(bytes.TrimSuffix(left.Key, []byte{'a' + (records-1)%17}), "ghost"...)
	left.Headers = nil
	for _, h := range written[len(written)-1].Headers {
		if h.Key == "__processed_tp_offsets__" {
			h.Value = bytes.Replace(h.Value, []byte("59"), []byte("60"), 1)
		}
		left.Headers = append(left.Headers, h)
	}
	if err := c.broker.Append(totalChangelog0, left); err != nil {
		t.Fatal(err)
	}
	skipped := end
	for range 3 {
		if err := c.broker.Append(totalChangelog0, written[len(written)-17:]...); err != nil {
			t.Fatal(err)
		}
	}
	d.lose()
	log.Reset()

	c.crashWhileRestoring(d, 2*records+30)
	if from := restorings(t, log)["total"].From; from != 0 {
		t.Fatalf("the first restore begins with offset %d", from)
	}
	p := c.mustStart(d)
	if from := restorings(t, log)["total"].From; from != skipped {
		t.Errorf("the second restore begins with offset %d, and what was skipped is at %d", from, skipped)
	}
	c.order("a", 1, records) // by now the offset counts that the record carries
	c.settle(p)
	p.mustClose()
	d.lose()
	p = c.mustStart(d)
	for _, s := range p.workers[0].Stores("total") {
		cell := s.(*state.Cell[int])
		if err := cell.Place([]byte("ghost")); err != nil {
			t.Fatal(err)
		}
		if n, ok := cell.Get(); ok {
			t.Errorf("what was not committed counts: %d", n)
		}
	}
	c.checkState(p)
	c.checkLogs(false)
}

// At least once, a checkpoint that is given up because tasks are to go leaves records in the changelog as a crash does. The
// worker goes on, and does the work again in other checkpoints: what the first one left must not come back.
func TestWhatAHurriedCheckpointLeftInTheChangelogDoesNotComeBack(t *testing.T) {
	c := newCluster(t, pipeline(), 1)
	c.config.RevokeTimeout = 1 // of the real clock
	c.broker.DeliverOnSend = true
	stuck := false
	var p *process
	ended := func() {}
	c.wrap = func(inner broker.Producer) broker.Producer {
		return stuckProducer{inner, &stuck, func() { ended = p.workers[0].Hurry() }}
	}
	d := memoryDisk{}
	p = c.mustStart(d)
	c.order("north", 1, 1)
	c.settle(p)
	c.order("north", 2, 12) // closes [0,10), opens [10,20)
	p.mustRun()
	before := len(c.broker.Read(broker.TopicPartition{Topic: windowChangelog}, 0))
	committed := c.broker.Committed(groupName)
	stuck = true
	c.clock.Advance(interval)
	if _, err := p.step(); err != nil {
		t.Fatal(err)
	}
	ended()
	if n := len(c.broker.Read(broker.TopicPartition{Topic: windowChangelog}, 0)); stuck || n == before {
		t.Fatalf("there was no checkpoint, or it wrote nothing (%d records, before %d)", n, before)
	}
	c.order("north", 4, 22) // closes [10,20), before the next checkpoint
	p.mustRun()
	if got := c.broker.Committed(groupName); !maps.Equal(got, committed) {
		t.Fatalf("offsets were committed before the window was closed: %v, before %v", got, committed)
	}
	c.checkAnew(p, d)
}
