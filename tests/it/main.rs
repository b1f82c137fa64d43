//! The project's tests from above: one binary, so that the engines are linked once.

#[cfg(feature = "engines")]
#[cfg(test)]
mod agreement;
#[cfg(feature = "engines")]
#[cfg(test)]
mod archive;
#[cfg(feature = "engines")]
#[cfg(test)]
mod bad_input;
#[cfg(feature = "engines")]
#[cfg(test)]
mod compatible;
#[cfg(test)]
mod corpus;
#[cfg(feature = "engines")]
#[cfg(test)]
mod delta;
#[cfg(feature = "engines")]
#[cfg(test)]
mod docs;
#[cfg(feature = "engines")]
#[cfg(test)]
mod end_to_end;
#[cfg(feature = "engines")]
#[cfg(test)]
mod feat;
#[cfg(feature = "brokers")]
#[cfg(test)]
mod flights_on_kafka;
#[cfg(test)]
mod house;
#[cfg(feature = "brokers")]
#[cfg(test)]
mod kafka;
#[cfg(feature = "brokers")]
#[cfg(test)]
mod kafka_groups;
#[cfg(feature = "engines")]
#[cfg(test)]
mod kafka_stream;
#[cfg(feature = "engines")]
#[cfg(test)]
mod load;
#[cfg(feature = "engines")]
#[cfg(test)]
mod plan_lineage;
#[cfg(feature = "engines")]
#[cfg(test)]
mod quarantine;
#[cfg(feature = "engines")]
#[cfg(test)]
mod registry;
#[cfg(feature = "engines")]
#[cfg(test)]
mod serve;
#[cfg(feature = "engines")]
#[cfg(test)]
mod server;
#[cfg(feature = "engines")]
#[cfg(test)]
mod shares;
#[cfg(feature = "engines")]
#[cfg(test)]
mod shop;
#[cfg(feature = "engines")]
#[cfg(test)]
mod skew;
#[cfg(feature = "engines")]
#[cfg(test)]
mod status;
#[cfg(feature = "engines")]
#[cfg(test)]
mod store_trouble;
#[cfg(feature = "stores")]
#[cfg(test)]
mod stores;
#[cfg(feature = "engines")]
#[cfg(test)]
mod text_files;
#[cfg(test)]
mod tiles;
