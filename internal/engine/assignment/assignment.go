// Package assignment spreads the tasks of a member of the group over its workers.
package assignment

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/engine"
	"github.com/weirstreams/weir/internal/graph"
)

// Assignment spreads the tasks of one member of the group over its workers. It is used by one goroutine.
type Assignment struct {
	plan *graph.Plan
	// each runs a job per worker, all at the same time or one after the other, and returns when all are done.
	each    func(jobs map[int]func(*engine.Worker) error) error
	load    []int
	workers map[engine.TaskID]int
	// topics are those of the tasks' inputs, sorted.
	topics map[engine.TaskID][]string
}

// New returns an assignment without tasks for a number of workers.
func New(plan *graph.Plan, workers int, each func(map[int]func(*engine.Worker) error) error) *Assignment {
	return &Assignment{plan: plan, each: each, load: make([]int, workers), workers: map[engine.TaskID]int{}, topics: map[engine.TaskID][]string{}}
}

// Handle acts on an event of the group and acknowledges it.
func (a *Assignment) Handle(ctx context.Context, event *broker.GroupEvent) error {
	defer event.Done()
	if event.Kind == broker.Assigned {
		return a.assign(ctx, event.Partitions)
	}
	byWorker := map[int][]engine.TaskID{}
	for _, id := range sortedIDs(a.tasks(event.Partitions)) {
		if i, ok := a.workers[id]; ok {
			byWorker[i] = append(byWorker[i], id)
			a.load[i]--
			delete(a.workers, id)
			delete(a.topics, id)
		}
	}
	jobs := map[int]func(*engine.Worker) error{}
	for i, ids := range byWorker {
		jobs[i] = func(w *engine.Worker) error {
			if event.Kind == broker.Lost {
				return w.DropTasks(ctx, ids)
			}
			return w.RemoveTasks(ctx, ids)
		}
	}
	return a.each(jobs)
}

// assign gives new tasks to the workers that have fewest. A task that runs, and gets another input, is closed and begins anew with
// all of them: partitions were added to one of the topics of a part, up to those that another one had before.
func (a *Assignment) assign(ctx context.Context, partitions []broker.TopicPartition) error {
	tasks := a.tasks(partitions)
	byWorker, again := map[int][]engine.TaskID{}, map[int][]engine.TaskID{}
	for _, id := range sortedIDs(tasks) {
		had := a.topics[id]
		a.topics[id] = slices.Compact(slices.Sorted(slices.Values(slices.Concat(had, tasks[id]))))
		tasks[id] = a.topics[id]
		if i, ok := a.workers[id]; ok {
			if len(tasks[id]) > len(had) {
				again[i] = append(again[i], id)
				byWorker[i] = append(byWorker[i], id)
			}
			continue
		}
		i := 0
		for j, n := range a.load {
			if n < a.load[i] {
				i = j
			}
		}
		a.workers[id] = i
		a.load[i]++
		byWorker[i] = append(byWorker[i], id)
	}
	jobs := map[int]func(*engine.Worker) error{}
	for i, ids := range byWorker {
		jobs[i] = func(w *engine.Worker) error {
			if len(again[i]) > 0 {
				if err := w.RemoveTasks(ctx, again[i]); err != nil {
					return err
				}
			}
			for _, id := range ids {
				if err := w.AddTask(ctx, id, tasks[id]); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return a.each(jobs)
}

// sortedIDs returns the keys of tasks in a fixed order, so that a simulation can repeat a run.
func sortedIDs(tasks map[engine.TaskID][]string) []engine.TaskID {
	return slices.SortedFunc(maps.Keys(tasks), func(x, y engine.TaskID) int {
		return cmp.Or(cmp.Compare(x.Part, y.Part), cmp.Compare(x.Partition, y.Partition))
	})
}

// tasks groups partitions by the tasks that own them.
func (a *Assignment) tasks(partitions []broker.TopicPartition) map[engine.TaskID][]string {
	tasks := map[engine.TaskID][]string{}
	for _, tp := range partitions {
		for _, part := range a.plan.SubTopologies {
			for _, n := range part.Sources {
				if a.plan.Topic(n) == tp.Topic {
					id := engine.TaskID{Part: part.ID, Partition: tp.Partition}
					tasks[id] = append(tasks[id], tp.Topic)
				}
			}
		}
	}
	return tasks
}
