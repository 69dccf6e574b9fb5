package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/offsets"
	"github.com/weirstreams/weir/internal/engine/outbox"
)

// claims make the worker the owner of the changelogs of its tasks, at least once. Only the goroutine of the worker calls its methods.
//
// They promise that a task is started only when its claim has the newest epoch seen so far, and all records before the claim are restored.
type claims struct {
	config     *Config
	cluster    broker.Cluster
	group      broker.Group
	tasks      *taskSet
	beginnings *beginnings
	restorer   *restorer
	delivery   *outbox.Delivery
	foreign    *foreignWrites
	// lose closes all tasks, as the group has given them to others. It returns the error that says so.
	lose func(cause error) error
}

// claim makes this process the owner of those tasks that are restored up to the former ends of the changelogs. Records since
// then lie before the claim, and are restored too.
func (c *claims) claim(ctx context.Context) (err error) {
	if !c.restorer.claiming {
		return nil
	}
	c.restorer.claiming = false
	var claiming []*task
	for _, t := range c.tasks.all() {
		if t.unclaimed {
			claiming = append(claiming, t)
		}
	}
	defer func() {
		if err == nil {
			return
		}
		c.restorer.claiming = true // if the worker goes on
		for _, t := range claiming {
			if t.state == restoring && t.stores.Restores() == 0 {
				t.unclaimed = true
				t.stores.DropClaim()
			}
		}
	}()
	for _, t := range claiming {
		if err := c.send(ctx, t); err != nil {
			return fmt.Errorf("task %s: claim: %w", t.name, err)
		}
	}
	if err := c.delivery.Flush(ctx); err != nil {
		return fmt.Errorf("claim: %w", err)
	}
	for _, t := range claiming {
		if err := c.restorer.toClaims(ctx, t, c.delivery.Producer()); err != nil {
			return fmt.Errorf("task %s: claim: %w", t.name, err)
		}
	}
	return nil
}

// send chooses the epoch of a task, and appends a claim to each changelog.
func (c *claims) send(ctx context.Context, t *task) error {
	var last changelog.Epoch
	for _, seen := range t.stores.Seen() {
		if last.Before(seen) {
			last = seen
		}
	}
	epoch := t.assigned.WithTerm(last.Term())
	if !last.Before(epoch) {
		// Either somebody owns the task by now, or this is an owner that begins anew, or the group has.
		if err := c.confirm(ctx, t); err != nil {
			return err
		}
		epoch = t.assigned.WithTerm(last.Term() + 1)
	}
	t.unclaimed = false
	return t.stores.Claim(epoch)
}

// confirm asks the group whether this process owns a task, by repeating the committed offsets.
func (c *claims) confirm(ctx context.Context, t *task) error {
	repeated := map[broker.TopicPartition]int64{}
	inputs := t.input.Partitions()
	earliest, ends, err := offsets.Bounds(ctx, c.cluster, inputs...)
	if err != nil {
		return err
	}
	t.input.Place(t.stores.Standings(), c.config.ExactlyOnce)
	for _, tp := range inputs {
		offset, ok := t.input.Next[tp.Topic]
		if t.input.Uncommitted[tp.Topic] {
			t.input.Note(tp.Topic)
		}
		if !ok {
			if offset, err = c.beginnings.first(ctx, t, tp, earliest[tp], ends[tp]); err != nil {
				return err
			}
			t.input.Next[tp.Topic] = offset
		}
		repeated[tp] = offset
	}
	err = c.group.Commit(ctx, repeated, commitDetails(t))
	if errors.Is(err, weir.ErrFenced) {
		return c.lose(err)
	}
	return err
}

// close writes, at least once, that the offsets of tasks are committed which are about to be closed in order. Without it
// a restore that finds no committed offsets cannot tell. A failure is worth a warning only.
func (c *claims) close(ctx context.Context, tasks []*task) {
	if c.config.ExactlyOnce {
		return
	}
	tasks = slices.DeleteFunc(slices.Clone(tasks), func(t *task) bool {
		return t.state != running || !t.stores.Logged() || t.strangers
	})
	if len(tasks) == 0 {
		return
	}
	if err := c.writeStandings(ctx, tasks); err != nil {
		c.config.Logger.Warn("could not note in the changelogs that tasks were closed in order", "error", err)
	}
}

func (c *claims) writeStandings(ctx context.Context, tasks []*task) error {
	for _, t := range tasks {
		if err := t.stores.AppendLast(c.config.Clock.Now().UnixMilli()); err != nil {
			return err
		}
	}
	if err := c.delivery.Flush(ctx); err != nil {
		return err
	}
	for _, t := range tasks {
		if err := t.stores.PassLast(c.delivery.Producer()); err != nil {
			return err
		}
	}
	return nil
}

// foreignWrites finds changelogs that another process has written to after they were claimed. Its records do not count,
// but compaction would let them replace valid ones, in the long run: a task with such changelogs is opened anew, and takes them back. Only the
// goroutine of the worker calls its methods.
//
// They promise that a foreign record is found at the next checkpoint of its task, or within two minutes if the task has none.
type foreignWrites struct {
	cluster broker.Cluster
	clock   clock.Clock
	tasks   *taskSet
	// found is set while tasks are to be opened anew. looked is when the ends of changelogs were compared last.
	found  bool
	looked time.Time
}

// note notes that others have written to the changelogs of a task.
func (f *foreignWrites) note(t *task) { t.strangers, f.found = true, true }

// strangersInterval is how often the changelogs of tasks that write nothing are compared with their known ends.
const strangersInterval = time.Minute

// look compares the ends of changelogs with the positions of tasks that write nothing now, if it is time.
func (f *foreignWrites) look(ctx context.Context) error {
	now := f.clock.Now()
	if now.Sub(f.looked) < strangersInterval {
		return nil
	}
	f.looked = now
	var idle []*task
	var changelogs []broker.TopicPartition
	for _, t := range f.tasks.all() {
		if t.state != running || t.changed {
			continue
		}
		idle = append(idle, t)
		changelogs = append(changelogs, t.stores.Changelogs()...)
	}
	if len(changelogs) == 0 {
		return nil
	}
	ends, err := f.cluster.Offsets(ctx, broker.Latest, changelogs...)
	if errors.Is(err, weir.ErrUnavailable) {
		return nil // there is time
	}
	if err != nil {
		return fmt.Errorf("changelogs: %w", err)
	}
	for _, t := range idle {
		if t.stores.Exceeded(ends) {
			f.note(t)
		}
	}
	return nil
}
