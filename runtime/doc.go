// Package runtime runs topologies on Kafka.
//
//	app, err := runtime.New(Topology(), runtime.Config{
//		Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}, Group: "alerts",
//	})
//	if err != nil {
//		return err
//	}
//	return app.Run(ctx)
//
// An [App] is one member of a consumer group. It splits its share of the partitions into tasks, one per sub-topology and
// partition number, and runs them on a few workers, each a goroutine. More members share the work and take over from
// each other, with their state.
//
// # Guarantees
//
// Every record is processed at least once. A checkpoint commits the offsets of processed records only after the cluster has
// acknowledged all their effects: output, records sent to another sub-topology, and changes of state.
// After a crash, the records since the last checkpoint are processed again. State does not count it twice: it
// goes back to the checkpoint too. Output can appear twice, and so can records that were sent to another sub-topology.
package runtime
