package runtime_test

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/runtime"
)

// spread has four partitions. The number 1000*p+i is the i-th of partition p, and all numbers of a partition have the
// same key, so that totals come out the same whoever works them out.
type spread struct {
	*testCluster
	p       pipeline
	written int           // per partition
	session time.Duration // or nothing, for the shortest that is sure
}

const spreadPartitions = 4

func newSpread(t testing.TB) *spread {
	k := newKafka(t)
	return &spread{testCluster: k, p: pipeline{input: k.Topic(t, "in", spreadPartitions), output: k.Topic(t, "out", 1)}}
}

// holdJoins lets kfake hold each join of a member until the channel that it sends is closed. After enough none is held.
func (s *spread) holdJoins(member string) (joins <-chan chan<- struct{}, enough func()) {
	held, done := make(chan chan<- struct{}), make(chan struct{})
	cluster := s.Kafka.Cluster()
	cluster.ControlKey(int16(kmsg.JoinGroup), func(r kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		if r.(*kmsg.JoinGroupRequest).MemberID == member {
			cluster.SleepControl(func() {
				release := make(chan struct{})
				select {
				case held <- release:
				case <-done:
					return
				}
				select {
				case <-release:
				case <-done:
				}
			})
		}
		return nil, nil, false
	})
	return held, sync.OnceFunc(func() { close(done) })
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
		s.testCluster.write(s.p.input, int32(p), s.records(p, s.written, s.written+n)...)
	}
	s.written += n
}

func (s *spread) allCommitted() bool {
	for p := range int32(spreadPartitions) {
		if !s.done(p) {
			return false
		}
	}
	return true
}

// done reports whether everything in a partition is committed.
func (s *spread) done(partition int32) bool {
	return s.committed(s.p.input, partition) == int64(s.written)
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

// checkAtLeastOnce checks the output when everything is committed and output may have been written twice.
func (s *spread) checkAtLeastOnce() {
	s.t.Helper()
	await(s.t, "everything", s.allCommitted)
	var all []broker.Record
	for p := range spreadPartitions {
		all = append(all, s.records(p, 0, s.written)...)
	}
	s.checkTotals(s.p.output, all)
}

// member returns the configuration of a member, and its log.
func (s *spread) member(g runtime.Guarantee) (runtime.Config, *seenLines) {
	config, log := s.loggingConfig()
	config.Guarantee, config.Checkpoint.Interval, config.Checkpoint.Records = g, 200*time.Millisecond, 0
	config.Membership.SessionTimeout = cmp.Or(s.session, max(3*time.Second, s.SessionTimeout()))
	return config, log
}

// awaitMembers waits until the group knows of so many members, and returns their IDs.
func (s *spread) awaitMembers(n int) (ids []string) {
	s.t.Helper()
	admin := s.admin()
	await(s.t, strconv.Itoa(n)+" members", func() bool {
		groups, err := admin.DescribeConsumerGroups([]string{s.group})
		if err != nil || len(groups) != 1 {
			return false
		}
		ids = slices.Collect(maps.Keys(groups[0].Members))
		return len(ids) == n
	})
	return ids
}

// half is a member with half of the tasks that has nothing to restore.
func half(s runtime.Status) bool {
	return len(s.Tasks) == spreadPartitions/2 &&
		!slices.ContainsFunc(s.Tasks, func(t runtime.TaskStatus) bool { return t.Restoring })
}

// first starts a member that has all tasks, with some work done.
func (s *spread) first(p pipeline, g runtime.Guarantee) (*running, *seenLines) {
	s.t.Helper()
	config, log := s.member(g)
	first := run(s.t, p.topology(), config)
	s.write(20)
	await(s.t, "everything", s.allCommitted)
	first.await("all tasks", func(st runtime.Status) bool { return len(st.Tasks) == spreadPartitions })
	return first, log
}

// second starts another member, and returns when tasks of the first one, whose log is given, are to go to it.
func (s *spread) second(g runtime.Guarantee, first *seenLines) *running {
	s.t.Helper()
	revoked := make(chan struct{})
	first.whenever("partitions revoked", sync.OnceFunc(func() { close(revoked) }))
	config, _ := s.member(g)
	second := run(s.t, s.p.topology(), config)
	select {
	case <-revoked:
	case <-within(s.t).Done():
		s.t.Fatal("nothing was revoked")
	}
	return second
}

// finish waits until two members share the tasks, lets them do some more work, and stops them.
func (s *spread) finish(first, second *running) {
	s.t.Helper()
	first.await("half of the tasks", half)
	second.await("half of the tasks", half)
	s.write(20)
	await(s.t, "everything", s.allCommitted)
	second.stop()
	first.stop()
}
