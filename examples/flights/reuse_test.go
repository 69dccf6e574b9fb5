package main

import (
	"context"
	"os"
	"time"

	"github.com/weirstreams/weir/internal/broker"
)

// checkFolders checks that no folder of a task was deleted and made anew.
func (k *trial) checkFolders(known map[string]os.FileInfo, stateDir string) map[string]os.FileInfo {
	k.t.Helper()
	now := folders(k.t, stateDir)
	for path, info := range known {
		if now[path] == nil || !os.SameFile(info, now[path]) {
			k.t.Errorf("%s is not what it was", path)
		}
	}
	return now
}

// changelogRecords returns how much was written to all changelogs.
func (k *trial) changelogRecords() (n int64) {
	k.t.Helper()
	for _, end := range k.changelogEnds(k.within()) {
		n += end
	}
	return n
}

// changelogEnds returns the ends of all changelogs.
func (k *trial) changelogEnds(ctx context.Context) map[broker.TopicPartition]int64 {
	k.t.Helper()
	var tps []broker.TopicPartition
	for _, s := range k.airports().Stores {
		tps = append(tps, partitionsOf(s.Changelog)...)
	}
	ends, err := k.cluster.Offsets(ctx, broker.End, tps...)
	if err != nil {
		k.t.Fatal(err)
	}
	return ends
}

// awaitCheckpoints waits until every task with state has checkpointed, as it is assigned now.
func (k *trial) awaitCheckpoints() {
	k.t.Helper()
	ctx := k.within()
	before := k.changelogEnds(ctx)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		done := true
		for tp, end := range k.changelogEnds(ctx) {
			done = done && end > before[tp]
		}
		if done {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			k.t.Fatalf("not every task has checkpointed within %v", patience)
		}
	}
}

// checkReuse checks that a member has restored little of whole, which is what its state comes of.
func (k *trial) checkReuse(m member, whole int64) {
	k.t.Helper()
	var restored int64
	reused, anew := 0, 0
	for _, line := range readLog(k.t, m.Log) {
		switch {
		case line.Level == "ERROR":
			k.t.Errorf("logged: %+v", line)
		case line.Msg == "restoring state" && line.Store != "":
			restored += line.To - line.From
			if line.Reused {
				reused++
			} else {
				anew++
			}
		}
	}
	k.t.Logf("%d of %d changelog records were read to restore; state was reused %d times of %d", restored, whole, reused, reused+anew)
	if anew > reused {
		k.t.Errorf("state was reused %d times and restored anew %d times", reused, anew)
	}
	if restored > whole/2 {
		k.t.Errorf("%d changelog records were read to restore: that is not much less than all %d", restored, whole)
	}
}

// checkReuses checks that members that came back went on with the state that they had.
func (k *trial) checkReuses(members []member) {
	k.t.Helper()
	reused, anew := 0, 0
	for _, m := range members {
		for _, line := range readLog(k.t, m.Log) {
			switch {
			case line.Level == "ERROR":
				k.t.Errorf("logged: %+v", line)
			case line.Msg == "restoring state" && line.Store != "" && line.Reused:
				reused++
			case line.Msg == "restoring state" && line.Store != "":
				anew++ // the task had never been there
			}
		}
	}
	k.t.Logf("state was reused %d times of %d", reused, reused+anew)
	if most := 2 * partitions * len(members); reused == 0 || anew > most {
		k.t.Errorf("state was restored from the beginning %d times, and reused %d times", anew, reused)
	}
}
