// Package sourcing reads sources outside of Kafka: it is the operator behind stream.FromSource.
//
// A [Slot] belongs to a task and runs on the goroutine of its worker. Each open split has a goroutine that fills a queue of batches, and
// one more looks for splits. The slot takes batches off the queues, hands their records to the operator that writes them, and notes the
// position behind each batch in a store of the task. So a checkpoint covers records and positions alike. After a rewind the readers of
// splits that have moved are opened anew, and batches of the former ones are lost with their queues.
//
// Where there must be no goroutines, as in a simulation, the slot makes the calls itself (operator.Env.MayRead).
package sourcing
