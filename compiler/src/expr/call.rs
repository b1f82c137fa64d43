//! A kernel of ours as a function of `DataFusion`, and a function of `DataFusion` as a kernel of ours.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field};
use datafusion_common::config::ConfigOptions;
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion_physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use crate::functions::{Columns, Fault, Operand};

/// No option of a session may change a number.
static OPTIONS: LazyLock<Arc<ConfigOptions>> = LazyLock::new(Arc::default);

/// `kernel` over `args`, with a result of type `result`. `name` says which kernel it is for the
/// types of `args`: equal names are equal functions.
pub(super) fn expr(
    name: &str,
    kernel: Arc<Columns>,
    args: Vec<Arc<dyn PhysicalExpr>>,
    result: DataType,
) -> Arc<dyn PhysicalExpr> {
    let field = Arc::new(Field::new(name, result.clone(), true));
    let call = Call {
        name: name.to_owned(),
        kernel,
        result,
        signature: Signature::variadic_any(Volatility::Immutable),
    };
    let udf = Arc::new(ScalarUDF::new_from_impl(call));
    Arc::new(ScalarFunctionExpr::new(name, udf, args, field, Arc::clone(&OPTIONS)))
}

struct Call {
    name: String,
    kernel: Arc<Columns>,
    result: DataType,
    signature: Signature,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.result == other.result
    }
}

impl Eq for Call {}

impl Hash for Call {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Call {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _args: &[DataType]) -> Result<DataType> {
        Ok(self.result.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant =
            !args.args.is_empty() && args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let operands = args
            .args
            .into_iter()
            .map(|arg| match arg {
                ColumnarValue::Array(array) => Ok(Operand::column(array)),
                ColumnarValue::Scalar(scalar) => scalar.to_array().map(Operand::constant),
            })
            .collect::<Result<Vec<_>>>()?;
        let rows = if constant { 1 } else { args.number_rows };
        let column =
            (self.kernel)(&operands, rows).map_err(|fault| DataFusionError::Execution(fault.to_string()))?;
        if constant {
            return ScalarValue::try_from_array(&column, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(column))
    }
}

/// `DataFusion`'s function `name` as a kernel whose result is of type `result`.
///
/// Panics if the table names a function that is not listed here.
pub(super) fn datafusion(name: &'static str, result: &DataType) -> Arc<Columns> {
    use datafusion_functions::{crypto, encoding};
    let udf = match name {
        "md5" => crypto::md5(),
        "sha256" => crypto::sha256(),
        "digest" => crypto::digest(),
        "encode" => encoding::encode(),
        "decode" => encoding::decode(),
        other => panic!("invariant: `{other}` is a function of DataFusion that the table delegates to"),
    };
    let result = result.clone();
    Arc::new(move |operands, rows| {
        let fault = |cause: DataFusionError| Fault(cause.to_string().into());
        let mut args: Vec<ColumnarValue> =
            operands.iter().map(columnar).collect::<Result<_>>().map_err(fault)?;
        if matches!(name, "encode" | "decode") {
            // These two read bytes, of which a string's are the ones meant.
            args[0] = args[0].cast_to(&DataType::Binary, None).map_err(fault)?;
        }
        let fields = args
            .iter()
            .map(|arg| Arc::new(Field::new("argument", arg.data_type(), true)))
            .collect::<Vec<_>>();
        let types: Vec<DataType> = args.iter().map(ColumnarValue::data_type).collect();
        let own = udf.return_type(&types).map_err(fault)?;
        let value = udf
            .invoke_with_args(ScalarFunctionArgs {
                args,
                arg_fields: fields,
                number_rows: rows,
                return_field: Arc::new(Field::new("result", own, true)),
                config_options: Arc::clone(&OPTIONS),
            })
            .map_err(fault)?;
        Ok(arrow::compute::cast(&value.into_array(rows).map_err(fault)?, &result)?)
    })
}

fn columnar(operand: &Operand) -> Result<ColumnarValue> {
    if operand.is_constant() {
        return ScalarValue::try_from_array(operand.array(), 0).map(ColumnarValue::Scalar);
    }
    Ok(ColumnarValue::Array(Arc::clone(operand.array())))
}
