package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// fleet is the members of the group, in a fixed order.
type fleet struct {
	k       *trial
	members []member
	runs    []*running // nil are those that are not started
	logged  []int      // lines of the log before the run
}

// newFleet describes members, some of them static: those get their tasks back when they come back. The last one of
// several is not, and its tasks go to others.
func (k *trial) newFleet(n int, with func(member) member) *fleet {
	f := &fleet{k: k, runs: make([]*running, n), logged: make([]int, n)}
	for i := range n {
		m := k.member(string(rune('a' + i)))
		if i == 0 || i < n-1 {
			m.InstanceID = string(rune('a' + i))
		}
		f.members = append(f.members, with(m))
	}
	k.t.Cleanup(func() {
		if k.t.Failed() {
			f.showLogs()
		}
	})
	return f
}

// showLogs shows how the logs of all members end, without the outages.
func (f *fleet) showLogs() {
	for i, m := range f.members {
		lines := slices.DeleteFunc(readLog(f.k.t, m.Log), func(line logLine) bool {
			return strings.HasPrefix(line.Msg, "can ") || strings.HasPrefix(line.Msg, "cannot ")
		})
		for _, line := range lines[max(0, len(lines)-100):] {
			text := fmt.Sprintf("%s %s %s %v %s%s", line.Time.Format("05.000"), line.Msg, line.Task, line.Partitions, line.Error, line.Cause)
			f.k.t.Logf("process %d: %s", i, text)
		}
	}
}

func (f *fleet) start(i int) {
	f.logged[i] = len(readLog(f.k.t, f.members[i].Log))
	f.runs[i] = f.members[i].start(f.k.t)
}

// awaitConnected waits until all processes have reached the cluster: one that does not find it when it starts ends after
// some seconds, on purpose.
func (f *fleet) awaitConnected() {
	f.k.t.Helper()
	f.await("connections", func() bool {
		for i, m := range f.members {
			lines := readLog(f.k.t, m.Log)
			if !slices.ContainsFunc(lines[f.logged[i]:], func(l logLine) bool { return l.Msg == "joining the group" }) {
				return false
			}
		}
		return true
	})
}

func (f *fleet) kill(i int) {
	f.runs[i].kill()
	f.runs[i] = nil
}

func (f *fleet) startAll() {
	for i := range f.runs {
		if f.runs[i] == nil {
			f.start(i)
		}
	}
}

// checkAlive fails the test if a member has ended by itself.
func (f *fleet) checkAlive() {
	f.k.t.Helper()
	for i, r := range f.runs {
		if r == nil {
			continue
		}
		select {
		case <-r.exited:
			f.k.t.Fatalf("process %d has ended: %v", i, r.cmd.ProcessState)
		default:
		}
	}
}

// leaveAlone lets the members work until a random moment.
func (f *fleet) leaveAlone(random *rand.Rand) {
	f.k.t.Helper()
	moment := time.After(time.Duration(50+random.IntN(1950)) * time.Millisecond)
	<-moment
	f.checkAlive()
}

// await waits for a condition that is asked for again and again.
func (f *fleet) await(what string, condition func() bool) {
	f.k.t.Helper()
	tooLate := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		f.checkAlive()
		select {
		case <-tick.C:
		case <-tooLate:
			f.k.t.Fatalf("%s: not within %v: %s", what, patience, f.describe())
		}
	}
}

func (f *fleet) describe() string {
	var all []string
	for i, r := range f.runs {
		if r != nil {
			all = append(all, fmt.Sprintf("process %d: %+v", i, r.now()))
		}
	}
	return strings.Join(all, "; ")
}

// awaitWork waits until every member has tasks, and state for them.
func (f *fleet) awaitWork() {
	f.k.t.Helper()
	f.await("tasks of all processes", func() bool {
		tasks := 0
		for _, r := range f.runs {
			now := r.now()
			if now.Tasks == 0 || now.Restoring > 0 {
				return false
			}
			tasks += now.Tasks
		}
		return tasks == 2*partitions
	})
}

// awaitProgress waits until so many flights more than now are committed.
func (f *fleet) awaitProgress(n int64) {
	f.k.t.Helper()
	target := f.k.committed() + n
	f.await(fmt.Sprintf("%d committed flights", target), func() bool { return f.k.committed() >= target })
}

// awaitFinished waits until all flights were read and all that came of them is committed.
func (f *fleet) awaitFinished() {
	f.k.t.Helper()
	f.await("all flights", func() bool {
		behind, err := f.k.behind(f.k.within())
		if err != nil {
			f.k.t.Fatal(err)
		}
		return behind == 0
	})
}

// stopAll stops the members one after the other and returns the last one, which then has the state of all tasks. A static
// member does not leave the group when it stops: its tasks go to others when its session has timed out.
func (f *fleet) stopAll() member {
	f.k.t.Helper()
	last := len(f.runs) - 1
	for _, r := range f.runs[:last] {
		r.stop()
	}
	f.runs[last].await("all tasks", 0, func(now report) bool { return now.Tasks == 2*partitions && now.Restoring == 0 })
	f.runs[last].stop()
	return f.members[last]
}

// now returns the last report.
func (r *running) now() report {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// counts is what members have been through, by their logs.
type counts struct {
	aborted, restored, fenced, unreachable int64
}

func (f *fleet) count() (c counts) {
	for _, m := range f.members {
		for _, line := range readLog(f.k.t, m.Log) {
			switch {
			case strings.HasPrefix(line.Msg, "going back to "):
				c.aborted++
			case line.Msg == "state restored":
				c.restored += line.Records
			case line.Msg == "partitions are gone", strings.HasPrefix(line.Msg, "lost the membership"):
				c.fenced++
			case strings.HasPrefix(line.Msg, "cannot "):
				c.unreachable++
			}
		}
	}
	return c
}

func (c counts) log(t testing.TB) {
	t.Logf("%d transactions aborted and done again, %d records restored, %d memberships lost, %d outages noticed",
		c.aborted, c.restored, c.fenced, c.unreachable)
}
