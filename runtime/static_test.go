package runtime_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
)

// taskNames returns the names of a member's tasks, in order.
func taskNames(s runtime.Status) []string {
	var names []string
	for _, t := range s.Tasks {
		names = append(names, t.Name)
	}
	slices.Sort(names)
	return names
}

// A static member that stops and comes back gets its tasks back, with their state, and those of others stay where they are.
func TestAStaticMemberThatComesBackGetsItsTasksBack(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		s := newSpread(t)
		config, _ := s.member(g)
		config.Membership.InstanceID, config.Membership.SessionTimeout = "one", time.Minute
		first := run(t, s.p.topology(), config)
		s.write(20)
		await(t, "everything", s.allCommitted)
		other, log := s.member(g)
		other.Membership.InstanceID, other.Membership.SessionTimeout = "two", time.Minute
		second := run(t, s.p.topology(), other)
		first.await("half of the tasks", half)
		second.await("half of the tasks", half)
		had, stayed := taskNames(first.Status()), taskNames(second.Status())
		s.write(20)
		await(t, "everything", s.allCommitted)
		assigned := log.countOf("partitions assigned")

		first.stop()
		s.write(20)
		first = run(t, s.p.topology(), config)
		first.await("its tasks", half)
		if diff := cmp.Diff(had, taskNames(first.Status())); diff != "" {
			t.Errorf("tasks of the one that came back (-before +after):\n%s", diff)
		}
		s.write(20)
		await(t, "everything", s.allCommitted)
		if diff := cmp.Diff(stayed, taskNames(second.Status())); diff != "" {
			t.Errorf("tasks of the other one (-before +after):\n%s", diff)
		}
		if n := log.countOf("partitions assigned") - assigned + log.countOf("partitions revoked") + log.countOf("partitions lost"); n > 0 {
			t.Errorf("the assignment of the other one has changed %d times", n)
		}
		second.stop()
		first.stop()
		s.check()
	})
}

// What a static member had goes to others when it was stopped and its session is over, and not before.
func TestTheTasksOfAStaticMemberWaitForItsSession(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		s := newSpread(t)
		config, _ := s.member(g)
		config.Membership.InstanceID = "one"
		first := run(t, s.p.topology(), config)
		s.write(20)
		await(t, "everything", s.allCommitted)
		other, _ := s.member(g)
		second := run(t, s.p.topology(), other)
		first.await("half of the tasks", half)
		second.await("half of the tasks", half)
		first.stop()
		begun := time.Now()
		s.write(20)
		second.await("all tasks", func(st runtime.Status) bool { return len(st.Tasks) == spreadPartitions })
		if took := time.Since(begun); took < config.Membership.SessionTimeout/3 { // the last heartbeat may be a third of it old
			t.Errorf("its tasks went after %v, before its session of %v was over", took, config.Membership.SessionTimeout)
		}
		await(t, "everything", s.allCommitted)
		second.stop()
		s.check()
	})
}
