// Package stores keeps the state of a task: its stores, their changelogs and the database that holds their rows.
package stores

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/engine/changelog"
	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/engine/outbox"
	"github.com/weirstreams/weir/internal/engine/progress"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
)

// Set is the stores of a task. It owns the database, and knows how much of each changelog that reflects. The operators change the stores.
// A checkpoint is Flush, then WriteAhead, then Commit; a restore begins with Load and BeginRestore, takes Apply for each batch of a
// changelog, and ends with EndRestore. Only the goroutine of the worker calls its methods.
//
// It promises that the database holds state that reflects the committed input and nothing else, after each Commit and after each restore.
// It fetches nothing and commits no offsets: the worker does.
type Set struct {
	// Input is the progress of the task, which the stores reflect.
	Input *progress.Input

	config Config
	// db is nil if the task has no stores.
	db *database.DB
	// logged are the stores with a changelog, unlogged those without.
	logged, unlogged []Store
	// written has the changes of the running checkpoint in stores without a changelog, and kept the input that they reflect.
	written database.Changes
	kept    database.Kept
	// emptying is set until the next checkpoint if that is to delete all state.
	emptying bool
	// idsWritten is set once the database has the ids of the topics.
	idsWritten bool
	// synced is when a checkpoint was made durable last; zero if none was.
	synced time.Time
	// epoch is that of the claim, and zero before. claimed is set while our claim has the newest epoch seen so far.
	epoch   changelog.Epoch
	claimed bool

	limit    limit
	restores map[string]*restore // by changelog topic, those that are not done
	restored Restored
	// fetched says that a changelog was read from the broker, whether or not it had anything to apply.
	fetched bool
}

// Config configures the stores of a task. All fields must be set but ExactlyOnce.
type Config struct {
	// Task is the name of the task.
	Task        string
	Partition   int32
	ExactlyOnce bool
	// Partitions are the numbers of partitions of topics.
	Partitions map[string]int32
	Clock      clock.Clock
	Logger     *slog.Logger
}

// New returns a set without stores.
func New(config Config) *Set {
	s := &Set{config: config, restores: map[string]*restore{}, limit: noLimit}
	s.Input = progress.NewInput(config.Task, config.Partition, s)
	return s
}

// Open opens the database in a backend, which the set owns from then on.
func (s *Set) Open(backend state.Backend) error {
	db, err := database.Open(backend)
	if err != nil {
		return errors.Join(err, backend.Close())
	}
	s.db = db
	return nil
}

// Space returns the backend and the prefix of the rows of a store.
func (s *Set) Space(name string) (backend state.Backend, prefix []byte, err error) {
	prefix, err = s.db.Prefix(name)
	return s.db.Backend, prefix, err
}

// Add adds an open store, whose position in the list of the operators is opened. onReformat is asked about rows in another format.
func (s *Set) Add(
	declared graph.Store, store state.Store, opened int, out *outbox.Outbox, onReformat func(s graph.Store, before, now database.Format) error,
) error {
	prefix, err := s.db.Prefix(declared.Name)
	if err != nil {
		return err
	}
	added := Store{Store: declared, store: store, opened: opened, prefix: prefix}
	if declared.Changelog == "" {
		s.unlogged = append(s.unlogged, added)
		return nil
	}
	if err := s.db.CheckFormat(declared, onReformat); err != nil {
		return err
	}
	if added.changelog, err = out.Topic(declared.Changelog); err != nil {
		return err
	}
	s.logged = append(s.logged, added)
	return nil
}

// Serve returns the database and the prefixes of the rows of the stores, by name, for reads of other goroutines.
func (s *Set) Serve() (backend state.Backend, prefixes map[string][]byte) {
	prefixes = map[string][]byte{}
	for _, list := range [][]Store{s.logged, s.unlogged} {
		for i := range list {
			prefixes[list[i].Name] = list[i].prefix
		}
	}
	return s.db.Backend, prefixes
}

// Any reports whether there are stores.
func (s *Set) Any() bool { return len(s.logged)+len(s.unlogged) > 0 }

// Logged reports whether there are stores with a changelog.
func (s *Set) Logged() bool { return len(s.logged) > 0 }

// Named returns the store of a name, if there is one.
func (s *Set) Named(name string) (store state.Store, ok bool) {
	for _, list := range [][]Store{s.logged, s.unlogged} {
		for i := range list {
			if list[i].Name == name {
				return list[i].store, true
			}
		}
	}
	return nil, false
}

// OfChangelog returns the store with a changelog topic, or nil.
func (s *Set) OfChangelog(topic string) *Store {
	for i := range s.logged {
		if s.logged[i].Changelog == topic {
			return &s.logged[i]
		}
	}
	return nil
}

// Changelogs returns the partitions of the changelogs.
func (s *Set) Changelogs() []broker.TopicPartition {
	changelogs := make([]broker.TopicPartition, len(s.logged))
	for i := range s.logged {
		changelogs[i] = s.partitionOf(&s.logged[i])
	}
	return changelogs
}

func (s *Set) partitionOf(store *Store) broker.TopicPartition {
	return broker.TopicPartition{Topic: store.Changelog, Partition: s.config.Partition}
}

// Damage returns how the database was found to be damaged, or nil.
func (s *Set) Damage() error {
	if s.db == nil {
		return nil
	}
	return s.db.Damage()
}

// Empty makes the next checkpoint delete all state. It reports whether there is any.
func (s *Set) Empty() bool {
	s.emptying = s.db != nil
	return s.emptying
}

// Emptying reports whether the next checkpoint deletes all state.
func (s *Set) Emptying() bool { return s.emptying }

// Mending reports whether the next checkpoint has to do more than to write changes: work that the restore
// has begun would be lost with it.
func (s *Set) Mending() bool {
	for i := range s.logged {
		if s.logged[i].tookBack {
			return true
		}
	}
	return s.emptying
}

// Discard forgets changes since the last checkpoint.
func (s *Set) Discard() {
	for _, list := range [][]Store{s.logged, s.unlogged} {
		for i := range list {
			list[i].store.Discard()
		}
	}
}

// Close closes the database. With sync everything that was committed is made durable first.
func (s *Set) Close(sync bool) (err error) {
	if s.db == nil {
		return nil
	}
	backend := s.db.Backend
	s.db = nil
	if sync {
		err = backend.Sync()
	}
	return errors.Join(err, backend.Close())
}

// lastOffset returns the offset of the last acknowledged record of a store's changelog.
func (s *Set) lastOffset(producer broker.Producer, store *Store) (int64, error) {
	tp := s.partitionOf(store)
	last, ok := producer.LastOffset(tp)
	if !ok {
		return 0, fmt.Errorf("%s: records were acknowledged without an offset", tp)
	}
	return last, nil
}
