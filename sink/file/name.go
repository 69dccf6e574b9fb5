package file

import (
	"fmt"

	"github.com/weirstreams/weir/internal/connector"
)

// fileName returns the name of a file without its ending: FROM-TO-NUMBER-UNIQUE, with the topic and the partition in front of it unless they are the
// folder. NUMBER counts the files of the checkpoint in one place, so that the order of names is that of records.
func fileName[K, V any](p *part[K, V], from, to int64, unique, suffix string, replace bool) string {
	name := fmt.Sprintf("%019d-%019d", from, to)
	if own, err := byPartitionPath(p.topic, p.partition); err != nil || own != p.folder {
		topic, err := connector.Segment(p.topic) // names of topics are short and have only harmless characters
		if err != nil {
			topic = "topic"
		}
		name = fmt.Sprintf("%s-%d-%s", topic, p.partition, name)
	}
	name += fmt.Sprintf("-%04d", p.number)
	if !replace {
		name += "-" + unique
	}
	return name + suffix
}

func byPartitionPath(topic string, partition int32) (string, error) {
	return pathOf([]string{topic, fmt.Sprint(partition)})
}
