package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/longtest"
)

// However often a process is killed: no flight is skipped, and totals and hours are those of what has come to the
// airports, in the changelogs and on the disk, which is never restored from the beginning.
func TestNothingIsSkippedAndNoStateIsWrongWhenProcessesAreKilled(t *testing.T) {
	kafkatest.Parallel(t)
	k := newTrial(t)
	random := newRandom(t)
	kills := *killsFlag
	if kills == 0 {
		kills = longtest.Cases(2, 3)
		if k.Real() {
			kills = 10
		}
	}
	stopFeeding := k.feed()
	m := k.member("a")
	m.InstanceID = "a" // a static member is back at once
	var known map[string]os.FileInfo
	var whole int64 // what restores from the beginning would read
	for i := range kills {
		r := m.start(t)
		var now report
		if i > 0 && random.IntN(3) == 0 {
			limit := time.Duration(1+random.IntN(1500)) * time.Millisecond
			now = r.await("to be killed", limit, func(report) bool { return false })
		} else {
			target := 1 + random.Int64N(8000)
			if i == 0 {
				target += 12000 // so that there is something to reuse
			}
			now = r.await("to be killed", 0, func(now report) bool { return now.Read >= target })
		}
		r.kill()
		t.Logf("kill %d: %+v, %d flights are committed", i+1, now, k.committed())
		known = k.checkFolders(known, m.StateDir)
		whole += k.changelogRecords()
	}
	stopFeeding()
	r := m.start(t)
	k.awaitFinished(r)
	r.stop()
	k.checkFolders(known, m.StateDir)
	t.Logf("%d of %d flights came to their airport more than once", k.check(m.StateDir), k.flights)
	k.checkReuse(m, whole)
}

// When a member is killed the others take over, with its state.
func TestAMemberTakesOverFromOneThatIsKilled(t *testing.T) {
	kafkatest.Parallel(t)
	k := newTrial(t)
	stopFeeding := k.feed()
	members := []member{k.member("a"), k.member("b")}
	var runs []*running
	for _, m := range members {
		runs = append(runs, m.start(t))
	}
	const all = 2 * partitions
	for i, r := range runs {
		now := r.await("work on half of the tasks", 0, func(now report) bool {
			return now.Tasks == all/2 && now.Restoring == 0 && now.Read > 2000 && now.Grouped > 2000
		})
		t.Logf("member %d: %+v", i, now)
	}
	k.awaitCheckpoints() // work on a backlog may take less than a checkpoint interval
	before := len(readLog(t, members[1].Log))
	runs[0].kill()
	begun := time.Now()
	now := runs[1].await("all tasks", 0, func(now report) bool { return now.Tasks == all && now.Restoring == 0 })
	t.Logf("taken over after %v", time.Since(begun))
	runs[1].await("work on all tasks", 0, func(later report) bool { return later.Grouped > now.Grouped+2000 })
	stopFeeding()
	k.awaitFinished(runs[1])
	runs[1].stop()
	t.Logf("%d of %d flights came to their airport more than once", k.check(members[1].StateDir), k.flights)
	moved := map[string]bool{}
	for _, line := range readLog(t, members[1].Log)[before:] {
		if line.Msg == "restoring state" && line.Store != "" {
			moved[line.Task] = true
		}
	}
	if len(moved) < partitions/2 {
		t.Errorf("restored the state of %v, want that of %d tasks at least", moved, partitions/2)
	}
}

// A process that is asked to stop leaves nothing to do again, and its successor need not wait for anything.
func TestNothingIsProcessedTwiceWhenAProcessIsStopped(t *testing.T) {
	kafkatest.Parallel(t)
	k := newTrial(t)
	stopFeeding := k.feed()
	m := k.member("a")
	m.SessionTimeout = 45 * time.Second
	for i := range 3 {
		begun := time.Now()
		r := m.start(t)
		r.await("all tasks", 0, func(now report) bool { return now.Tasks == 2*partitions })
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("start %d took %v", i+1, took)
		}
		now := r.await("to be stopped", 0, func(now report) bool { return now.Read > 3000 && now.Grouped > 2000 })
		r.stop()
		t.Logf("stop %d: %+v, %d flights are committed", i+1, now, k.committed())
	}
	stopFeeding()
	r := m.start(t)
	k.awaitFinished(r)
	r.stop()
	if repeated := k.check(m.StateDir); repeated > 0 {
		t.Errorf("%d flights came to their airport more than once", repeated)
	}
	outputs := 0
	k.read(k.topics.Totals.Name(), func(int32, *broker.Record) { outputs++ })
	if outputs != k.flights {
		t.Errorf("%d totals were written for %d flights", outputs, k.flights)
	}
	for _, line := range readLog(t, m.Log) {
		late := strings.HasPrefix(line.Msg, "could not leave the group") // in time, as the machine is busy
		if line.Msg == "restoring state" || line.Level == "ERROR" || line.Level == "WARN" && !late {
			t.Errorf("logged: %+v", line)
		}
	}
}
