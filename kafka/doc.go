// Package kafka connects programs to Kafka: address, TLS and SASL settings of a cluster, a consumer and a producer.
//
//	config := kafka.Config{Connection: kafka.Connection{Brokers: []string{"localhost:9092"}}}
//	producer, err := kafka.NewProducer(ctx, config, kafka.ProducerOptions{})
//	if err != nil {
//		return err
//	}
//	defer producer.Close()
//	err = errors.Join(producer.Send(ctx, lines, record), producer.Flush(ctx))
//
// A [Connection] is read from the options of librdkafka by [ConnectionFromMap] and [ConnectionFromEnvironment]. Package runtime
// runs topologies with the same Connection; runtime.App.Producer and runtime.App.Consumer return a [Producer] and a [Consumer] with
// the settings of an application.
package kafka
