package engine_test

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/simbroker"
)

// together lets processes run, checkpoint and run again.
func together(c *cluster, ps ...*process) {
	c.t.Helper()
	for range 12 {
		for _, p := range ps {
			p.mustRun()
		}
		c.clock.Advance(interval / 2)
	}
}

// newUsedCluster returns a cluster where a process has taken an order of the north, and has ended.
func newUsedCluster(t *testing.T) *cluster {
	t.Helper()
	c := newCluster(t, pipeline(), 1)
	p := c.mustStart(memoryDisk{})
	c.order("north", 1, 1)
	together(c, p)
	p.mustClose()
	return c
}

// awake lets the worker of a process go on that was asleep, before its membership hears of anything.
func awake(p *process) {
	p.cluster.t.Helper()
	err := p.do(func() error {
		_, err := p.workers[0].Step(p.cluster.t.Context(), 0)
		return err
	})
	if err != nil {
		p.cluster.t.Fatal(err)
	}
}

// K-71: a process that has lost its task, and appends to the changelog after its successor, must not bring old state back.
func TestWhatAZombieWritesToAChangelogDoesNotCount(t *testing.T) {
	for _, x := range []struct {
		name    string
		compact bool
		// work says that the successor writes after the zombie, and finds it by that.
		work bool
	}{
		{"restored at once", false, false},
		{"after the successor has found it, and a compaction", true, false},
		{"after a checkpoint of the successor, and a compaction", true, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := newCluster(t, pipeline(), 1)
			zombie, err := c.start(memoryDisk{}, "zombie")
			if err != nil {
				t.Fatal(err)
			}
			c.order("north", 1, 1)
			together(c, zombie)
			c.order("north", 2, 2)
			c.clock.Advance(interval)
			zombie.mustRun() // the first part writes and commits
			zombie.mustRun() // the second has processed the order, and committed nothing
			c.clock.Advance(session + time.Second)
			successor, err := c.start(memoryDisk{}, "successor")
			if err != nil {
				t.Fatal(err)
			}
			together(c, successor)
			c.order("north", 4, 3)
			together(c, successor)
			before := len(c.broker.Read(totalChangelog0, 0))
			awake(zombie)
			if n := len(c.broker.Read(totalChangelog0, 0)); n <= before {
				t.Fatal("the zombie has written nothing")
			}
			zombie.abandon()
			if x.work {
				c.order("south", 8, 4)
			}
			if x.compact {
				c.clock.Advance(time.Minute)
				together(c, successor)
				c.clock.Advance(time.Hour)
				if err := c.broker.Compact(totalChangelog); err != nil {
					t.Fatal(err)
				}
			}
			successor.abandon()
			last := c.mustStart(memoryDisk{})
			c.clock.Advance(session + time.Second)
			together(c, last)
			c.checkState(last)
		})
	}
}

// A process that restores while its successor works already sees the claim of that, and does not begin.
func TestATaskThatWasLostWhileItWasRestoredDoesNotRun(t *testing.T) {
	c := newUsedCluster(t)

	var slow *process
	claims := 0
	c.onCall = func(op simbroker.Op) error {
		if c.running == slow && slow != nil && op.Kind == simbroker.OpProduce && op.After {
			claims++
		}
		return nil
	}
	c.clock.Advance(session + time.Second)
	slow, err := c.start(memoryDisk{}, "slow")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := slow.step(); err != nil { // it has the tasks, and has read nothing
		t.Fatal(err)
	}
	c.clock.Advance(session + time.Second)
	successor, err := c.start(memoryDisk{}, "successor")
	if err != nil {
		t.Fatal(err)
	}
	c.order("north", 2, 2)
	together(c, successor)
	for range 10 {
		awake(slow)
	}
	if n := len(slow.status()); n != 0 {
		t.Errorf("%d tasks are left", n)
	}
	if claims == 0 {
		t.Error("it has not even tried")
	}
	together(c, slow, successor)
	c.checkState(slow, successor)
	c.checkLogs(true)
}

// A process does not hear of what is committed while it restores a task. What it skips for that counts when it restores the
// task again, although there have been later owners.
func TestWhatWasCommittedDuringARestoreCountsInTheNext(t *testing.T) {
	c := newUsedCluster(t)

	c.clock.Advance(session + time.Second)
	disk := memoryDisk{}
	slow, err := c.start(disk, "slow")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := slow.step(); err != nil { // it knows what is committed, and has read nothing
		t.Fatal(err)
	}
	for i, name := range []string{"second", "third"} {
		c.clock.Advance(session + time.Second)
		successor, err := c.start(memoryDisk{}, name)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			c.order("north", 2, 2)
		}
		together(c, successor)
		successor.abandon()
	}
	for range 10 {
		awake(slow)
	}
	if n := len(slow.status()); n != 0 {
		t.Fatalf("%d tasks are left", n)
	}
	slow.mustClose()

	c.clock.Advance(session + time.Second)
	for range 2 { // the second goes on with what the first has left
		last := c.mustStart(disk)
		together(c, last)
		c.checkState(last)
		last.mustClose()
	}
	c.checkLogs(true)
}

// After a restore has taken back what a former owner had left, the database knows the present owner.
func TestWhatAFormerOwnerWritesAfterATakebackDoesNotCount(t *testing.T) {
	c := newCluster(t, pipeline(), 1)
	disk := memoryDisk{}
	former := c.mustStart(disk)
	c.order("north", 1, 1)
	together(c, former)
	c.order("north", 2, 2)
	committed := c.broker.Committed(groupName)
	c.onCall = func(op simbroker.Op) error {
		// The offsets of the part that reads orders count, those of the other part do not.
		if op.Kind == simbroker.OpCommit && !op.After && !maps.Equal(committed, c.broker.Committed(groupName)) {
			return errCrash
		}
		return nil
	}
	var err error
	for range 6 {
		if err = former.run(); err != nil {
			break
		}
		c.clock.Advance(interval)
	}
	if !errors.Is(err, errCrash) {
		t.Fatalf("it has ended with %v", err)
	}
	c.onCall = nil
	left := c.broker.Read(totalChangelog0, 0)

	present := c.mustStart(disk)
	c.order("north", 4, 3)
	together(c, present)
	if err := c.broker.Append(totalChangelog0, left[len(left)-1]); err != nil {
		t.Fatal(err)
	}
	present.abandon()
	last := c.mustStart(disk)
	together(c, last)
	c.checkState(last)
}

// oldClaim returns a claim of generation 1000.
func oldClaim(c *cluster) broker.Record {
	c.t.Helper()
	for _, r := range c.broker.Read(totalChangelog0, 0) {
		if len(r.Headers) == 1 && r.Headers[0].Key == "__owner__" {
			r.Value = []byte{0, 0, 0, 0, 0, 0, 3, 232, 0, 0, 0, 0, 0, 0, 0, 0}
			r.Headers[0].Value = r.Value
			return r
		}
	}
	c.t.Fatal("nobody has claimed the changelog")
	panic("unreachable")
}

// When a group is deleted it counts generations from 1 again.
func TestANewGroupOwnsTheChangelogsOfTheOldOne(t *testing.T) {
	c := newUsedCluster(t)
	if err := c.broker.Append(totalChangelog0, oldClaim(c)); err != nil {
		t.Fatal(err)
	}
	p := c.mustStart(memoryDisk{})
	c.order("north", 2, 2)
	together(c, p)
	c.checkState(p)
	p.mustClose()
	p = c.mustStart(memoryDisk{}) // restores what was written since
	together(c, p)
	c.checkState(p)
	c.checkLogs(false)
}

// A process of the old group, of a later generation by the old count, claims a task between what the new owner has read of
// claims and its own claim: the new owner claims the task once more, or what it writes would not count.
func TestALateClaimOfTheOldGroupDoesNotStand(t *testing.T) {
	c := newUsedCluster(t)
	claim := oldClaim(c)
	claims := 0
	c.onCall = func(op simbroker.Op) error {
		if op.Kind == simbroker.OpProduce && !op.After {
			if claims++; claims == 1 {
				return c.broker.Append(totalChangelog0, claim)
			}
		}
		return nil
	}
	p := c.mustStart(memoryDisk{})
	c.order("north", 2, 2)
	together(c, p)
	if claims == 0 {
		t.Fatal("it has claimed nothing")
	}
	c.checkState(p)
	p.mustClose()
	p = c.mustStart(memoryDisk{}) // restores what was written since
	together(c, p)
	c.checkState(p)
	c.checkLogs(false)
}
