// Package sim runs a topology in a simulated world and compares its results with a reference model.
//
// The engine is the real one. Around it everything is simulated, in one goroutine's time: the cluster (package
// simbroker), the clock, the disks, and the processes of a consumer group, with goroutines that are coroutines,
// suspended between any two calls to the cluster or the disk. One seed decides everything: the next process to run, each failure and
// its place, the size of batches, how far the clock jumps. A run that fails can therefore be repeated by its seed.
//
// A run has three acts. In the first, input comes in while processes crash, stall, join and leave, requests and their
// answers get lost, disks lose unsynced writes, and brokers stop. In the second nothing fails any more: the rest
// of the input has to be processed in bounded time. In the third everything is stopped, and the state is restored from
// the changelogs alone. After each, output, offsets and state are compared with the model: a fold over the logs of the
// input, partition by partition, without Kafka, tasks, checkpoints or caches.
//
// Programs use this package through testkit.Simulate.
package sim
