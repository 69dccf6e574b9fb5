package runtime

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/state"
)

// databases is the state directory of a process, or its replacement in memory.
type databases struct {
	open    func(task string) (state.Backend, error)
	destroy func(task string) error
	// warm returns a partition of each task with a local database.
	warm  func() []broker.TopicPartition
	close func() error
	// pebble has the databases, nil in memory.
	pebble *state.Pebble
	// dir is the folder of the databases.
	dir string
	// process is the process's file about its former runs.
	process processFile
	// remember writes process.
	remember func() error
}

// processFile names the process to the cluster across restarts, so that it can end the transactions that it has left open.
type processFile struct {
	ID string `json:"id"`
	// Workers is how many transactional producers the process had.
	Workers int `json:"workers"`
}

const processFileName = "process.json"

// openState takes the state directory.
func (a *App) openState(ctx context.Context) (*databases, error) {
	if a.config.State.InMemory {
		return &databases{
			open:     func(string) (state.Backend, error) { return state.NewMemory(), nil },
			destroy:  func(string) error { return nil },
			warm:     func() []broker.TopicPartition { return nil },
			close:    func() error { return nil },
			process:  processFile{ID: a.newProcessID()},
			remember: func() error { return nil },
		}, nil
	}
	dir := filepath.Join(a.config.State.Dir, a.plan.Group)
	lock, err := state.LockDir(ctx, dir, a.config.State.LockWait)
	if err != nil {
		return nil, err
	}
	s := &databases{dir: dir}
	file := filepath.Join(dir, processFileName)
	if s.process, err = a.readProcessFile(file); err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	pebble := state.NewPebble(state.PebbleConfig{Logger: a.config.Logger})
	s.pebble = pebble
	path := func(task string) string { return filepath.Join(dir, filepath.FromSlash(task)) }
	s.open = func(task string) (state.Backend, error) { return pebble.Open(path(task)) }
	s.destroy = func(task string) error { return os.RemoveAll(path(task)) }
	s.warm = func() []broker.TopicPartition { return a.warm(dir) }
	s.close = func() error { return errors.Join(pebble.Close(), lock.Unlock()) }
	s.remember = func() error {
		data, err := json.Marshal(s.process)
		if err != nil {
			return err
		}
		return os.WriteFile(file, data, 0o644)
	}
	return s, nil
}

func (a *App) readProcessFile(file string) (p processFile, err error) {
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return p, fmt.Errorf("state directory: %w", err)
	default:
		// A file that was cut short is as good as none: open transactions time out then.
		if err := json.Unmarshal(data, &p); err != nil {
			a.config.Logger.Warn("the name of the process is lost; transactions that it left open time out", "file", file, "error", err)
		}
	}
	if p.ID == "" {
		p.ID = a.newProcessID()
	}
	return p, nil
}

// newProcessID names a process that has no name yet.
func (a *App) newProcessID() string {
	if a.config.Membership.InstanceID != "" {
		return a.config.Membership.InstanceID
	}
	return rand.Text()[:16]
}

// warm finds the databases in the state directory.
func (a *App) warm(dir string) []broker.TopicPartition {
	var warm []broker.TopicPartition
	for _, part := range a.plan.SubTopologies {
		if len(part.Stores) == 0 {
			continue
		}
		entries, err := os.ReadDir(filepath.Join(dir, part.StreamID))
		if err != nil {
			continue // none yet
		}
		for _, e := range entries {
			if n, err := strconv.ParseInt(e.Name(), 10, 32); err == nil {
				warm = append(warm, broker.TopicPartition{Topic: a.plan.Topic(part.Sources[0]), Partition: int32(n)})
			}
		}
	}
	return warm
}

// transactionalID returns the name of a worker's producer, or nothing if it needs none.
func (a *App) transactionalID(s *databases, worker int) string {
	if a.config.Guarantee != ExactlyOnce {
		return ""
	}
	return fmt.Sprintf("%s-%s-%d", a.plan.Group, s.process.ID, worker)
}

// fenceFormer ends the transactions of producers that a former run of this process had and this one has not.
func (a *App) fenceFormer(ctx context.Context, cluster broker.Cluster, s *databases) error {
	if a.config.Guarantee != ExactlyOnce {
		return nil
	}
	for i := a.config.Workers; i < s.process.Workers; i++ {
		p, err := broker.NewFencedProducer(ctx, cluster, broker.ProducerConfig{TransactionalID: a.transactionalID(s, i), Group: a.plan.Group})
		if err == nil {
			err = p.Close()
		}
		if err != nil {
			return fmt.Errorf("end the transactions of a former worker: %w", err)
		}
	}
	s.process.Workers = a.config.Workers
	return s.remember()
}
