package runtime_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/runtime"
)

// spread has four partitions. The number 1000*p+i is the i-th of partition p, and all numbers of a partition have the
// same key, so that totals come out the same whoever works them out.
type spread struct {
	*kafka
	p       pipeline
	written int // per partition

	mu      sync.Mutex // guards what follows
	last    map[int]time.Time
	longest map[int]time.Duration // between two records of a partition
}

const spreadPartitions = 4

func newSpread(t testing.TB) *spread {
	k := newKafka(t)
	s := &spread{kafka: k, p: pipeline{input: k.Topic(t, "in", spreadPartitions), output: k.Topic(t, "out", 1)}}
	s.p.f = func(_ context.Context, n int) (int, error) {
		s.note(n / 1000)
		return n, nil
	}
	return s
}

func (s *spread) note(partition int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if last := s.last[partition]; !last.IsZero() {
		s.longest[partition] = max(s.longest[partition], now.Sub(last))
	}
	if s.last != nil {
		s.last[partition] = now
	}
}

// watch begins to measure how long partitions are not worked on.
func (s *spread) watch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.longest = map[int]time.Time{}, map[int]time.Duration{}
}

func (s *spread) records(partition, from, to int) []broker.Record {
	var records []broker.Record
	for i := from; i < to; i++ {
		records = append(records, raw(strconv.Itoa(partition), strconv.Itoa(1000*partition+i)))
	}
	return records
}

// write writes some more to each partition.
func (s *spread) write(n int) {
	s.t.Helper()
	for p := range spreadPartitions {
		s.kafka.write(s.p.input, int32(p), s.records(p, s.written, s.written+n)...)
	}
	s.written += n
}

func (s *spread) allCommitted() bool {
	for p := range int32(spreadPartitions) {
		if s.committed(s.p.input, p) != int64(s.written) {
			return false
		}
	}
	return true
}

// check checks the output when everything is committed. Nothing has failed, so nothing counts twice with any guarantee.
func (s *spread) check() {
	s.t.Helper()
	await(s.t, "everything", s.allCommitted)
	var all []broker.Record
	for p := range spreadPartitions {
		all = append(all, s.records(p, 0, s.written)...)
	}
	s.checkTotalsExactly(s.p.output, all)
}

// member returns the configuration of a member, and its log.
func (s *spread) member(g runtime.Guarantee) (runtime.Config, *seenLines) {
	config, log := s.loggingConfig()
	config.Guarantee, config.CheckpointInterval, config.CheckpointRecords = g, 200*time.Millisecond, 0
	config.SessionTimeout = max(3*time.Second, s.SessionTimeout())
	return config, log
}

// awaitMembers waits until the group knows of so many members.
func (s *spread) awaitMembers(n int) {
	s.t.Helper()
	admin := s.admin()
	await(s.t, strconv.Itoa(n)+" members", func() bool {
		groups, err := admin.DescribeConsumerGroups([]string{s.group})
		return err == nil && len(groups) == 1 && len(groups[0].Members) == n
	})
}

// half is a member with half of the tasks that has nothing to restore.
func half(s runtime.Status) bool {
	return len(s.Tasks) == spreadPartitions/2 &&
		!slices.ContainsFunc(s.Tasks, func(t runtime.TaskStatus) bool { return t.Restoring })
}

// gate holds whoever comes by while it is shut.
type gate struct {
	mu   sync.Mutex // guards what follows
	shut chan struct{}
	held chan struct{} // closed when somebody is held
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut, g.held = make(chan struct{}), make(chan struct{})
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
}

func (g *gate) pass() {
	g.mu.Lock()
	shut := g.shut
	if shut != nil {
		select {
		case <-g.held:
		default:
			close(g.held)
		}
	}
	g.mu.Unlock()
	if shut != nil {
		<-shut
	}
}

func (g *gate) awaitHeld(t testing.TB) {
	t.Helper()
	g.mu.Lock()
	held := g.held
	g.mu.Unlock()
	select {
	case <-held:
	case <-within(t).Done():
		t.Fatalf("nobody came to the gate within %v", patience)
	}
}

// Tasks that stay with a member are not opened again, and go on while others come and go.
func TestTasksThatStayKeepRunningInARebalance(t *testing.T) {
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		s := newSpread(t)
		config, _ := s.member(g)
		first := run(t, s.p.topology(), config)
		s.write(20)
		await(t, "everything", s.allCommitted)
		first.await("all tasks", func(st runtime.Status) bool { return len(st.Tasks) == spreadPartitions })

		// Records come all the time, so that a gap is one of the work.
		enough := make(chan struct{})
		var writer sync.WaitGroup
		defer writer.Wait()
		stop := sync.OnceFunc(func() { close(enough); writer.Wait() })
		defer stop()
		s.watch()
		writer.Go(func() {
			tick := time.NewTicker(30 * time.Millisecond)
			defer tick.Stop()
			for s.written < 900 {
				select {
				case <-tick.C:
					s.write(1)
				case <-enough:
					return
				}
			}
		})
		config, _ = s.member(g)
		second := run(t, s.p.topology(), config)
		second.await("half of the tasks", half)
		first.await("half of the tasks", half)
		stayed := first.Status().Tasks
		second.await("work", func(st runtime.Status) bool { return processed(st) > 10 })
		stop()
		await(t, "everything", s.allCommitted)
		for _, task := range stayed {
			partition, _ := strconv.Atoi(task.Name[len(task.Name)-1:])
			tasks := first.Status().Tasks
			now := tasks[slices.IndexFunc(tasks, func(u runtime.TaskStatus) bool { return u.Name == task.Name })]
			// The count begins when a task is opened. In transactions that are done again, records count again.
			if now.Processed < int64(s.written) {
				t.Errorf("task %s has processed %d of %d records since it came: it was opened again", task.Name, now.Processed, s.written)
			}
			s.mu.Lock()
			gap := s.longest[partition]
			s.mu.Unlock()
			t.Logf("task %s: the longest gap was %v", task.Name, gap)
			if gap > 3*time.Second {
				t.Errorf("task %s was not worked on for %v", task.Name, gap)
			}
		}
		second.stop()
		first.stop()
		s.check()
	})
}

// A member that restores its state gives up tasks before they are ready, and another restores them.
func TestARebalanceDuringRecovery(t *testing.T) {
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
		first.await("half of the tasks", half)
		second.await("half of the tasks", half)
		s.write(50)
		await(t, "everything", s.allCommitted)
		second.stop()
		first.stop()
		s.check()
	})
}

// A checkpoint that is under way when tasks are to go is finished first.
func TestARebalanceDuringACheckpoint(t *testing.T) {
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
		config, log := s.member(g)
		first := run(t, p.topology(), config)
		s.write(20)
		await(t, "everything", s.allCommitted)
		hold.close()
		s.write(20)
		hold.awaitHeld(t)
		revoked := make(chan struct{})
		log.whenever("partitions revoked", sync.OnceFunc(func() { close(revoked) }))
		config, _ = s.member(g)
		second := run(t, s.p.topology(), config)
		select {
		case <-revoked:
		case <-within(t).Done():
			t.Fatal("nothing was revoked")
		}
		hold.open()
		first.await("half of the tasks", half)
		second.await("half of the tasks", half)
		s.write(20)
		await(t, "everything", s.allCommitted)
		second.stop()
		first.stop()
		s.check()
	})
}

// A member whose output the broker takes slowly keeps its membership, and gives up tasks when that is through.
func TestARebalanceDuringBackPressure(t *testing.T) {
	guarantees(t, func(t *testing.T, g runtime.Guarantee) {
		t.Parallel()
		s := newSpread(t)
		if s.Real() {
			t.Skip("holds back requests in kfake")
		}
		config, log := s.member(g)
		first := run(t, s.p.topology(), config)
		s.write(20)
		await(t, "everything", s.allCommitted)

		var hold gate
		hold.close()
		defer hold.open()
		cluster := s.Kafka.Cluster()
		cluster.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			if slices.ContainsFunc(r.(*kmsg.ProduceRequest).Topics, func(t kmsg.ProduceRequestTopic) bool { return t.Topic == s.p.output }) {
				cluster.SleepControl(hold.pass)
			}
			return nil, nil, false
		})
		s.write(20)
		hold.awaitHeld(t)
		revoked := make(chan struct{})
		log.whenever("partitions revoked", sync.OnceFunc(func() { close(revoked) }))
		config, _ = s.member(g)
		second := run(t, s.p.topology(), config)
		select {
		case <-revoked:
		case <-within(t).Done():
			t.Fatal("nothing was revoked")
		}
		hold.open()
		first.await("half of the tasks", half)
		second.await("half of the tasks", half)
		await(t, "everything", s.allCommitted)
		second.stop()
		first.stop()
		s.check()
	})
}

// A member that stops when another one comes finishes its checkpoint, and the other one gets everything.
func TestARebalanceDuringAShutdown(t *testing.T) {
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
		config, _ := s.member(g)
		first := run(t, p.topology(), config)
		s.write(20)
		await(t, "everything", s.allCommitted)
		hold.close()
		s.write(20)
		hold.awaitHeld(t)
		first.cancel()
		first.await("the shutdown", func(st runtime.Status) bool { return st.State == runtime.Stopping })
		config, _ = s.member(g)
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
	config.RebalanceTimeout = 2 * time.Second
	config.CheckpointInterval, config.TransactionTimeout = time.Minute, 2*time.Minute
	hold.close()
	first := run(t, p.topology(), config)
	for partition := 1; partition < spreadPartitions; partition++ {
		s.kafka.write(s.p.input, int32(partition), s.records(partition, 0, 20)...)
	}
	first.awaitProcessed(3 * 20)
	s.kafka.write(s.p.input, 0, s.records(0, 0, 20)...)
	s.written = 20
	hold.awaitHeld(t)

	config, _ = s.member(runtime.ExactlyOnce)
	config.RebalanceTimeout = 2 * time.Second
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
