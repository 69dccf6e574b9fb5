// Package engine runs the tasks of a topology on a broker: it processes batches, checkpoints, and recovers state.
//
// It starts no goroutine and waits for nothing but the broker: a Worker moves when Step is called, so that the runtime
// can give each worker a goroutine while the test kit and the simulation run many of them in one.
package engine
