//go:build unix

// Package servers has the servers that tests ask for: a file for each, with versions and checksums in pins.go.
package servers

import (
	"github.com/weirstreams/weir/internal/testserver/server"
)

// All lists the servers.
var All = []server.Server{Kafka, Registry, Postgres, Clients, Redis, Mosquitto, SeaweedFS, LakeReaders, Azurite, FakeGCS, Elasticsearch, OpenSearch, Mongo, NATS, InfluxDB, Moto, Kinesalite, MariaDB, Neo4j, Browser}
