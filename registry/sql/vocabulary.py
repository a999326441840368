"""What a query may be made of. Everything that is not named here is refused, so a new construct is closed by default.

Names are those of sqlglot's expression classes: a function is known by its meaning, whatever it is spelled like.
"""

import re

from sqlglot import exp

CLAUSES = frozenset(
    """
    Select From Join Where Group Having Qualify Order Ordered Limit Offset Distinct Union Except Intersect Subquery
    With CTE Values Tuple Table TableAlias Version Column Identifier Alias Star Paren Literal HexString Boolean Null
    Interval Var Window WindowSpec Filter IgnoreNulls RespectNulls WithinGroup GroupingSets Cube Rollup Lambda
    DataType DataTypeParam ColumnDef PropertyEQ Bracket Slice Dot JSONPath JSONPathRoot JSONPathKey JSONPathSubscript
    """.split()
)
OPERATORS = frozenset(
    """
    And Or Not EQ NEQ GT GTE LT LTE NullSafeEQ NullSafeNEQ Is In Between Like ILike Escape RegexpLike RegexpILike
    Add Sub Mul Div IntDiv Mod Neg DPipe BitwiseAnd BitwiseOr BitwiseXor BitwiseNot AtTimeZone Exists
    """.split()
)
FUNCTIONS = frozenset(
    """
    Abs Acos Asin Atan Atan2 Cbrt Ceil Cos Cot Degrees Exp Floor Greatest IsInf IsNan Least Ln Log Negative Pi Pow
    Radians Rand Round Sign Sin Sqrt Tan Trunc

    Case Cast TryCast Coalesce If Nullif Nvl2 EqualNull

    Ascii Chr Concat ConcatWs Contains EndsWith Initcap Left Length Levenshtein Lower MD5 Pad RegexpCount
    RegexpExtract RegexpExtractAll RegexpReplace RegexpSplit Replace Reverse Right SHA SHA2 Split SplitPart
    StartsWith StrPosition Substring Translate Trim Unhex Hex Unicode Upper Uuid ToBase64 FromBase64

    AddMonths CurrentDate CurrentTimestamp Date DateAdd DateDiff DateFromParts DateStrToDate DateSub DateToDateStr
    DateTrunc Day DayOfMonth DayOfWeek DayOfWeekIso DayOfYear Dayname Extract Hour LastDay MakeInterval Minute Month
    Monthname MonthsBetween Quarter Second StrToDate StrToTime StrToUnix TimeStrToDate TimeStrToTime TimeToStr
    TimeToUnix Timestamp TimestampAdd TimestampDiff TimestampSub TimestampTrunc TsOrDsAdd TsOrDsDiff TsOrDsToDate
    TsOrDsToDateStr TsOrDsToTimestamp UnixDate UnixMicros UnixMillis UnixSeconds UnixToStr UnixToTime Week WeekOfYear
    Year

    AnyValue ApproxDistinct ApproxQuantile ArgMax ArgMin ArrayAgg ArrayUniqueAgg Avg Corr Count CountIf CovarPop
    CovarSamp First GroupConcat Grouping Kurtosis Last LogicalAnd LogicalOr Max Median Min Mode PercentileCont
    PercentileDisc Quantile RegrIntercept RegrR2 RegrSlope Skewness Stddev StddevPop StddevSamp Sum Variance
    VariancePop

    CumeDist DenseRank FirstValue Lag LastValue Lead NthValue Ntile PercentRank Rank RowNumber

    Array ArrayContains ArrayDistinct ArrayFilter ArrayMax ArrayMin ArraySize ArraySlice ArraySort ArrayToString
    Explode Map MapFromEntries MapKeys Struct StructExtract Transform VarMap

    JSONExtract JSONExtractScalar
    """.split()
)
ANONYMOUS = frozenset("make_date map_values signum".split())
"""Functions that the parser does not know and that the engine has under the same name, with the same meaning."""
ALLOWED = CLAUSES | OPERATORS | FUNCTIONS

SELECT_ARGUMENTS = frozenset(
    "with_ expressions from_ joins where group having qualify order limit offset distinct windows".split()
)
TABLE_ARGUMENTS = frozenset("this db catalog alias joins version".split())
ARGUMENTS: dict[type[exp.Expr], frozenset[str]] = {exp.Select: SELECT_ARGUMENTS, exp.Table: TABLE_ARGUMENTS}

TYPES = frozenset(
    """
    BOOLEAN TINYINT SMALLINT INT BIGINT FLOAT DOUBLE DECIMAL CHAR NCHAR VARCHAR NVARCHAR TEXT BINARY VARBINARY DATE
    TIMESTAMP TIMESTAMPTZ TIMESTAMPLTZ TIMESTAMPNTZ ARRAY LIST MAP STRUCT INTERVAL
    """.split()
)

PLAIN_WORDS = re.compile(r"[\w $.-]*")
"""What an option that the generator prints as it stands may look like: join kinds, units, path keys."""
VERBATIM = (exp.Literal, exp.Identifier)
"""These two are printed in quotes, whatever they hold."""
