package main

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/longtest"
	"github.com/weirstreams/weir/runtime"
)

// exactlyOnce makes a member work in transactions. One that a dead process has left open is aborted soon, unless the
// process is started again before.
func (m member) exactlyOnce() member {
	m.Guarantee, m.TransactionTimeout = runtime.ExactlyOnce, 10*time.Second
	return m
}

// However often processes are killed: what readers of committed records see is what a loop over the file comes to, no
// more and no less, in every topic, in the changelogs and on the disks.
func TestEveryFlightCountsExactlyOnceWhenProcessesAreKilled(t *testing.T) {
	kafkatest.Parallel(t)
	for _, processes := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d in the group", processes), func(t *testing.T) {
			t.Parallel()
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
			f := k.newFleet(processes, member.exactlyOnce)
			f.startAll()
			f.awaitWork()
			f.awaitProgress(5000)
			k.awaitCheckpoints() // so that there is something to reuse
			var known []map[string]os.FileInfo
			for range f.members {
				known = append(known, nil)
			}
			for i := range kills {
				f.leaveAlone(random)
				victim := random.IntN(processes)
				now := f.runs[victim].now()
				f.kill(victim)
				t.Logf("kill %d, of process %d: %+v, %d flights are committed", i+1, victim, now, k.committed())
				known[victim] = k.checkFolders(known[victim], f.members[victim].StateDir)
				f.start(victim)
				if i%4 == 3 {
					f.awaitProgress(1000)
				}
			}
			stopFeeding()
			f.awaitFinished()
			last := f.stopAll()
			for i, m := range f.members {
				k.checkFolders(known[i], m.StateDir)
			}
			k.checkExact(last.StateDir)
			f.count().log(t)
			k.checkReuses(f.members)
		})
	}
}
