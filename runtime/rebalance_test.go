package runtime_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/runtime"
)

// Tasks that stay with a member are not opened again, and go on while others come and go. The coordinator holds a join until
// the other members have heard of it with their next heartbeats: work that waited for joins would stand still for as long.
func TestTasksThatStayKeepRunningInARebalance(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		s := newSpread(t)
		if s.Real() {
			t.Skip("holds joins in kfake")
		}
		s.session = 9 * time.Second // a busy machine commits a few records in less time
		first, _ := s.first(s.p, g)
		joins, enough := s.holdJoins(s.awaitMembers(1)[0])
		defer enough()
		config, _ := s.member(g)
		second := run(t, s.p.topology(), config)
		for _, partitions := range [][]int32{{0, 1, 2, 3}, {0, 1}} { // two tasks have gone when it joins for the second time
			select {
			case release := <-joins:
				s.write(3)
				await(t, "work beside the join", func() bool { return !slices.ContainsFunc(partitions, func(p int32) bool { return !s.done(p) }) })
				close(release)
			case <-within(t).Done():
				t.Fatal("the first member does not join again")
			}
		}
		enough()
		second.await("half of the tasks", half)
		first.await("half of the tasks", half)
		await(t, "everything", s.allCommitted)
		for _, task := range first.Status().Tasks {
			// The count begins when a task is opened. In transactions that are done again, records count again.
			if task.Processed < int64(s.written) {
				t.Errorf("task %s has processed %d of %d records since it came: it was opened again", task.Name, task.Processed, s.written)
			}
		}
		second.stop()
		first.stop()
		s.check()
	})
}

// A member that restores its state gives up tasks before they are ready, and another restores them.
func TestARebalanceDuringRecovery(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		s := newSpread(t)
		config, _ := s.member(g)
		before := run(t, s.p.topology(), config)
		s.write(200)
		await(t, "everything", s.allCommitted)
		before.stop()
		s.write(50)

		config, log := s.member(g) // whose disk is empty
		var hold gate
		hold.close()
		defer hold.open()
		log.whenever("restoring state", hold.pass)
		first := run(t, s.p.topology(), config)
		hold.awaitHeld(t)
		config, _ = s.member(g)
		second := run(t, s.p.topology(), config)
		s.awaitMembers(2)
		hold.open()
		s.finish(first, second)
		s.check()
	})
}

// A checkpoint that is under way when tasks are to go is finished first.
func TestARebalanceDuringACheckpoint(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		s := newSpread(t)
		var hold gate
		defer hold.open()
		p := s.p
		p.state = altered[int]{Codec: codec.JSON[int](), encode: func([]byte, int) ([]byte, error) {
			hold.pass()
			return nil, nil
		}}
		first, log := s.first(p, g)
		hold.close()
		s.write(20)
		hold.awaitHeld(t)
		second := s.second(g, log)
		hold.open()
		s.finish(first, second)
		s.check()
	})
}

// A member whose output the broker takes slowly keeps its membership, and gives up tasks when that is through.
func TestARebalanceDuringBackPressure(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		s := newSpread(t)
		if s.Real() {
			t.Skip("holds back requests in kfake")
		}
		first, log := s.first(s.p, g)
		var hold gate
		hold.close()
		defer hold.open()
		s.holdOutput(&hold)
		s.write(20)
		hold.awaitHeld(t)
		second := s.second(g, log)
		hold.open()
		s.finish(first, second)
		s.check()
	})
}

// holdOutput lets kfake hold what is written to the output until the gate is open.
func (s *spread) holdOutput(hold *gate) {
	cluster := s.Kafka.Cluster()
	cluster.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if slices.ContainsFunc(r.(*kmsg.ProduceRequest).Topics, func(t kmsg.ProduceRequestTopic) bool { return t.Topic == s.p.output }) {
			hold.holdIn(cluster)
		}
		return nil, nil, false
	})
}

// Tasks that are to go do not wait for output that cannot be written: they go without a checkpoint in time for the group.
func TestTasksGoWithoutACheckpointThatTakesTooLong(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		s := newSpread(t)
		if s.Real() {
			t.Skip("holds back requests in kfake")
		}
		config, log := s.member(g)
		config.Membership.RebalanceTimeout = 20 * time.Second // half of it is for the checkpoint
		first := run(t, s.p.topology(), config)
		s.write(20)
		await(t, "everything", s.allCommitted)
		var hold gate
		hold.close()
		defer hold.open()
		s.holdOutput(&hold)
		s.write(20)
		hold.awaitHeld(t)
		second := s.second(g, log)
		await(t, "the end of patience", func() bool {
			// The first one if the work of a step waits for the cluster, the second one if a checkpoint does.
			return log.countOf("work given up, as tasks are to go and the cluster does not answer") > 0 ||
				log.countOf("partitions given up without a checkpoint, which took too long") > 0
		})
		hold.open()
		s.finish(first, second)
		if g == runtime.ExactlyOnce {
			s.check()
		} else {
			s.checkAtLeastOnce()
		}
		if n := log.countOf("partitions lost"); n > 0 {
			t.Errorf("the group has taken partitions away %d times: they did not go in time", n)
		}
	})
}

// A member that stops when another one comes finishes its checkpoint, and the other one gets everything.
func TestARebalanceDuringAShutdown(t *testing.T) {
	kafkatest.Parallel(t)
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		s := newSpread(t)
		var hold gate
		defer hold.open()
		p := s.p
		p.state = altered[int]{Codec: codec.JSON[int](), encode: func([]byte, int) ([]byte, error) {
			hold.pass()
			return nil, nil
		}}
		first, _ := s.first(p, g)
		hold.close()
		s.write(20)
		hold.awaitHeld(t)
		first.cancel()
		first.await("the shutdown", func(st runtime.Status) bool { return st.State == runtime.Stopping })
		config, _ := s.member(g)
		second := run(t, s.p.topology(), config)
		s.awaitMembers(2)
		hold.open()
		first.stop()
		second.await("all tasks", func(st runtime.Status) bool { return len(st.Tasks) == spreadPartitions })
		s.write(20)
		await(t, "everything", s.allCommitted)
		second.stop()
		s.check()
	})
}

// A function that takes longer than the group waits for revoked partitions does not make them count twice: another member
// has them by then.
func TestWorkForPartitionsThatAreGoneDoesNotCount(t *testing.T) {
	t.Parallel()
	s := newSpread(t)
	var hold gate
	defer hold.open()
	p := s.p
	p.f = func(_ context.Context, n int) (int, error) {
		if n/1000 == 0 { // of a partition that stays
			hold.pass()
		}
		return n, nil
	}
	config, log := s.member(runtime.ExactlyOnce)
	config.Membership.RebalanceTimeout = 2 * time.Second
	config.Checkpoint.Interval, config.Checkpoint.TransactionTimeout = time.Minute, 2*time.Minute
	hold.close()
	first := run(t, p.topology(), config)
	for partition := 1; partition < spreadPartitions; partition++ {
		s.testCluster.write(s.p.input, int32(partition), s.records(partition, 0, 20)...)
	}
	first.awaitProcessed(3 * 20)
	s.testCluster.write(s.p.input, 0, s.records(0, 0, 20)...)
	s.written = 20
	hold.awaitHeld(t)

	config, _ = s.member(runtime.ExactlyOnce)
	config.Membership.RebalanceTimeout = 2 * time.Second
	second := run(t, s.p.topology(), config)
	// It does what the first one has done, and not committed.
	second.await("half of the tasks", half)
	second.awaitProcessed(2 * 20)
	await(t, "its checkpoint", func() bool {
		done := 0
		for partition := range int32(spreadPartitions) {
			if s.committed(s.p.input, partition) == 20 {
				done++
			}
		}
		return done == spreadPartitions/2
	})
	hold.open()
	first.await("half of the tasks", half)
	await(t, "the refusal of its work", func() bool { return log.countOf("going back to the last checkpoint") > 0 })
	s.write(20)
	second.stop()
	first.stop()
	config, _ = s.member(runtime.ExactlyOnce)
	last := run(t, s.p.topology(), config)
	await(t, "everything", s.allCommitted)
	last.stop()
	s.check()
}
