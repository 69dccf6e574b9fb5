package serving

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
)

// Stores are the stores of a group as one member sees them: it reads its own, and knows the members that have the others. Any goroutine calls its
// methods.
type Stores struct {
	Tasks *Tasks
	plan  *graph.Plan

	mu sync.RWMutex // guards the fields below
	// partitions are the numbers of partitions of topics, nil until they are known.
	partitions map[string]int32
	// owners are the endpoints of the members that own partitions. Members without an endpoint are not in it.
	owners map[broker.TopicPartition]string
	// assigned are the partitions of this member, nil before the first assignment.
	assigned map[broker.TopicPartition]bool
	// own is the endpoint of this member, empty if it has none.
	own string

	// counts are the reads of this member by their results.
	counts [resultCount]atomic.Int64
}

// Of returns the stores of an App. Package runtime sets it, because its App shows nothing of this package.
var Of func(app any) *Stores

// NewStores returns the stores of a plan. own is the endpoint of this member, empty if it has none.
func NewStores(plan *graph.Plan, own string) *Stores {
	return &Stores{Tasks: NewTasks(), plan: plan, own: own}
}

// Begin says how many partitions the topics have.
func (s *Stores) Begin(partitions map[string]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.partitions = partitions
}

// Assigned says after each rebalance which partitions this member owns, and which ones other members, by their endpoints.
func (s *Stores) Assigned(own []broker.TopicPartition, owners map[string][]broker.TopicPartition) {
	assigned, byPartition := map[broker.TopicPartition]bool{}, map[broker.TopicPartition]string{}
	for _, tp := range own {
		assigned[tp] = true
	}
	for endpoint, tps := range owners {
		for _, tp := range tps {
			byPartition[tp] = endpoint
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owners, s.assigned = byPartition, assigned
}

// Store is a store of a sub-topology.
type Store struct {
	graph.Store
	part   *graph.SubTopology
	topics []string
	// Partitions is how many tasks have a part of the store.
	Partitions int32
	// Even says that all topics of the tasks have as many partitions, so that the key of a record tells its task.
	Even bool
}

// Find returns the store of a name, which may be that of the stream and the store with a slash between them. It fails with weir.ErrUnknownStore,
// and with weir.ErrMoved before the topics are known.
func (s *Stores) Find(name string) (found Store, err error) {
	if found, err = s.declared(name); err != nil {
		return found, err
	}
	s.mu.RLock()
	partitions := s.partitions
	s.mu.RUnlock()
	if partitions == nil {
		return found, fmt.Errorf("store %q: %w: this member has not joined the group yet", name, weir.ErrMoved)
	}
	found.Even = true
	for _, source := range found.part.Sources {
		topic := s.plan.Topic(source)
		found.topics = append(found.topics, topic)
		n := partitions[topic]
		found.Even = found.Even && (found.Partitions == 0 || n == found.Partitions)
		found.Partitions = max(found.Partitions, n)
	}
	return found, nil
}

// Has fails with weir.ErrUnknownStore if the topology has no store of a name, or several.
func (s *Stores) Has(name string) error {
	_, err := s.declared(name)
	return err
}

func (s *Stores) declared(name string) (found Store, err error) {
	var in []string
	for _, part := range s.plan.SubTopologies {
		for _, declared := range part.Stores {
			if name == declared.Name || name == part.StreamID+"/"+declared.Name {
				found, in = Store{Store: declared, part: part}, append(in, part.StreamID+"/"+declared.Name)
			}
		}
	}
	switch {
	case len(in) == 0:
		return found, fmt.Errorf("%w %q: the topology has %s", weir.ErrUnknownStore, name, strings.Join(s.Names(), ", "))
	case len(in) > 1:
		return found, fmt.Errorf("%w: several streams have a store %q: name one of %s", weir.ErrUnknownStore, name, strings.Join(in, ", "))
	}
	return found, nil
}

// Names returns the names of all stores with those of their streams, sorted.
func (s *Stores) Names() (names []string) {
	for _, part := range s.plan.SubTopologies {
		for _, store := range part.Stores {
			names = append(names, part.StreamID+"/"+store.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Read reads a page of rows that this member has. atLeast are next offsets of topics that the rows must reflect, by their names in the program or on the cluster. It fails with weir.ErrNotOwner,
// weir.ErrMoved, weir.ErrRestoring or weir.ErrBehind.
func (s *Stores) Read(store Store, partition int32, rows state.Rows, atLeast map[string]int64) (Page, error) {
	page, err := s.read(store, partition, rows, atLeast)
	s.counts[resultOf(err)].Add(1)
	return page, err
}

func (s *Stores) read(store Store, partition int32, rows state.Rows, atLeast map[string]int64) (Page, error) {
	at := func(err error) error { return fmt.Errorf("store %q partition %d: %w", store.Name, partition, err) }
	if partition < 0 || partition >= store.Partitions {
		return Page{}, at(fmt.Errorf("%w: the store has %d partitions", weir.ErrConfiguration, store.Partitions))
	}
	atLeast = s.onCluster(store, atLeast)
	for topic := range atLeast {
		if !slices.Contains(store.topics, topic) {
			return Page{}, at(fmt.Errorf("%w: a position in topic %q says nothing, as its tasks read %s",
				weir.ErrConfiguration, topic, strings.Join(store.topics, ", ")))
		}
	}
	page, err := s.Tasks.read(fmt.Sprintf("%s/%d", store.part.StreamID, partition), store.Name, rows)
	switch {
	case errors.Is(err, errRestoring):
		return Page{}, at(weir.ErrRestoring)
	case errors.Is(err, errNotOpen):
		return Page{}, at(s.absent(store, partition))
	case err != nil:
		return Page{}, at(err)
	}
	for _, topic := range slices.Sorted(maps.Keys(atLeast)) {
		if next := page.Position[topic]; next < atLeast[topic] {
			return Page{}, at(fmt.Errorf("%w: it reflects topic %q up to offset %d, and %d is asked for", weir.ErrBehind, topic, next, atLeast[topic]))
		}
	}
	return page, nil
}

// onCluster returns a position with the names of topics on the cluster, in place of those in the program.
func (s *Stores) onCluster(store Store, position map[string]int64) map[string]int64 {
	named := make(map[string]int64, len(position))
	for topic, next := range position {
		if !slices.Contains(store.topics, topic) {
			topic = s.plan.ClusterName(topic)
		}
		named[topic] = max(named[topic], next)
	}
	return named
}

// absent returns why a partition is not open here.
func (s *Stores) absent(store Store, partition int32) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.assigned == nil {
		return weir.ErrMoved
	}
	for _, topic := range store.topics {
		tp := broker.TopicPartition{Topic: topic, Partition: partition}
		if s.assigned[tp] {
			return weir.ErrMoved
		}
		if owner := s.owners[tp]; owner != "" && owner != s.own {
			return fmt.Errorf("%w, %s has it", weir.ErrNotOwner, owner)
		}
	}
	if len(s.owners) > 0 { // members say what they own, and none has said that it owns this
		return weir.ErrMoved
	}
	return weir.ErrNotOwner
}

// Owner returns the endpoint of the member that the last assignment gives a partition of a store to, or nothing if it is not known. own says that it
// is this one.
func (s *Stores) Owner(store Store, partition int32) (endpoint string, own bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, topic := range store.topics {
		if endpoint := s.owners[broker.TopicPartition{Topic: topic, Partition: partition}]; endpoint != "" {
			return endpoint, endpoint == s.own
		}
	}
	return "", false
}

// Results of reads.
const (
	resultOK = iota
	resultNotOwner
	resultMoved
	resultRestoring
	resultBehind
	resultFailed
	resultCount
)

// resultNames are the names of the results, in their order.
var resultNames = [resultCount]string{"ok", "not_owner", "moved", "restoring", "behind", "failed"}

func resultOf(err error) int {
	switch {
	case err == nil:
		return resultOK
	case errors.Is(err, weir.ErrNotOwner):
		return resultNotOwner
	case errors.Is(err, weir.ErrMoved):
		return resultMoved
	case errors.Is(err, weir.ErrRestoring):
		return resultRestoring
	case errors.Is(err, weir.ErrBehind):
		return resultBehind
	default:
		return resultFailed
	}
}

// Counts calls f with the number of reads of each result.
func (s *Stores) Counts(f func(result string, n int64)) {
	for i, name := range resultNames {
		f(name, s.counts[i].Load())
	}
}
