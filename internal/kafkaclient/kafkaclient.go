// Package kafkaclient applies a kafka.Connection to the Kafka client, for the packages of this module: the API of package kafka does
// not show the client.
package kafkaclient

import "github.com/weirstreams/weir/internal/broker/saramabroker"

// Tune returns a function that puts a kafka.Connection into a configuration of the client, or the error of its Validate. Package
// kafka sets it.
var Tune func(connection any) (saramabroker.Tune, error)
