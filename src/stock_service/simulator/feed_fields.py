"""Which fields the rows of the vendor's other feeds have: route to field names, as its official clients read them.

A table only; `feeds.py` decides what stands in the fields. A route missing here answers rows of a plain shape.
"""

from __future__ import annotations

FIELDS: dict[str, str] = {
    "benzinga/v1/analyst-insights": (
        "benzinga_firm_id benzinga_id benzinga_rating_id company_name date firm insight last_updated price_target "
        "rating rating_action ticker"
    ),
    "benzinga/v1/analysts": (
        "benzinga_firm_id benzinga_id firm_name full_name last_updated overall_avg_return "
        "overall_avg_return_percentile overall_success_rate smart_score total_ratings total_ratings_percentile"
    ),
    "benzinga/v1/bulls-bears-say": ("bear_case benzinga_id bull_case last_updated ticker"),
    "benzinga/v1/consensus-ratings": (
        "buy_ratings consensus_price_target consensus_rating consensus_rating_value high_price_target "
        "hold_ratings low_price_target price_target_contributors ratings_contributors sell_ratings "
        "strong_buy_ratings strong_sell_ratings ticker"
    ),
    "benzinga/v1/earnings": (
        "actual_eps actual_revenue benzinga_id company_name currency date date_status eps_method eps_surprise "
        "eps_surprise_percent estimated_eps estimated_revenue fiscal_period fiscal_year importance last_updated "
        "notes previous_eps previous_revenue revenue_method revenue_surprise revenue_surprise_percent ticker time"
    ),
    "benzinga/v1/firms": ("benzinga_id currency last_updated name"),
    "benzinga/v1/guidance": (
        "benzinga_id company_name currency date eps_method estimated_eps_guidance estimated_revenue_guidance "
        "fiscal_period fiscal_year importance last_updated max_eps_guidance max_revenue_guidance min_eps_guidance "
        "min_revenue_guidance notes positioning previous_max_eps_guidance previous_max_revenue_guidance "
        "previous_min_eps_guidance previous_min_revenue_guidance release_type revenue_method ticker time"
    ),
    "benzinga/v1/news": (
        "author benzinga_id body channels images last_updated published tags teaser tickers title url"
    ),
    "benzinga/v1/ratings": (
        "adjusted_price_target analyst benzinga_analyst_id benzinga_calendar_url benzinga_firm_id benzinga_id "
        "benzinga_news_url company_name currency date firm importance last_updated notes "
        "previous_adjusted_price_target previous_price_target previous_rating price_percent_change price_target "
        "price_target_action rating rating_action ticker time"
    ),
    "benzinga/v2/news": (
        "author benzinga_id body channels images last_updated published tags teaser tickers title url"
    ),
    "consumer-spending/eu/v1/merchant-aggregates": (
        "channel consumer_type eight_day_rolling_category_accounts eight_day_rolling_total_accounts mcc_group "
        "merchant_industry merchant_ticker name parent_name published_date spend_in_distinct_account_key_count "
        "spend_in_spend spend_in_transaction_count spend_out_distinct_account_key_count spend_out_spend "
        "spend_out_transaction_count total_accounts total_spend total_transactions transaction_currency "
        "transaction_date twenty_eight_day_rolling_category_accounts twenty_eight_day_rolling_total_accounts type "
        "user_country"
    ),
    "consumer-spending/eu/v1/merchant-hierarchy": (
        "active_from active_to category grandparent_name grandparent_ticker great_grandparent_name "
        "great_grandparent_ticker industry industry_group listing_status lookup_name normalized_name parent_name "
        "parent_ticker sector sub_industry ticker"
    ),
    "etf-global/v1/analytics": (
        "composite_ticker effective_date processed_date quant_composite_behavioral quant_composite_fundamental "
        "quant_composite_global quant_composite_quality quant_composite_sentiment quant_composite_technical "
        "quant_fundamental_div quant_fundamental_pb quant_fundamental_pcf quant_fundamental_pe "
        "quant_global_country quant_global_sector quant_grade quant_quality_diversification quant_quality_firm "
        "quant_quality_liquidity quant_sentiment_iv quant_sentiment_pc quant_sentiment_si quant_technical_it "
        "quant_technical_lt quant_technical_st quant_total_score reward_score risk_country risk_deviation "
        "risk_efficiency risk_liquidity risk_structure risk_total_score risk_volatility"
    ),
    "etf-global/v1/constituents": (
        "asset_class composite_ticker constituent_name constituent_ticker country_of_exchange currency_traded "
        "effective_date exchange figi isin market_value processed_date security_type sedol shares_held us_code "
        "weight"
    ),
    "etf-global/v1/fund-flows": ("composite_ticker effective_date fund_flow nav processed_date shares_outstanding"),
    "etf-global/v1/profiles": (
        "administrator advisor asset_class aum avg_daily_trading_volume bid_ask_spread call_volume category "
        "composite_ticker coupon_exposure creation_fee creation_unit_size currency_exposure custodian description "
        "development_class discount_premium distribution_frequency distributor effective_date fee_waivers "
        "fiscal_year_end focus futures_commission_merchant geographic_exposure inception_date industry_exposure "
        "industry_group_exposure issuer lead_market_maker leverage_style levered_amount listing_exchange "
        "management_classification management_fee maturity_exposure net_expenses num_holdings options_available "
        "options_volume other_expenses portfolio_manager primary_benchmark processed_date product_type "
        "put_call_ratio put_volume region sector_exposure short_interest subadvisor subindustry_exposure "
        "tax_classification total_expenses transfer_agent trustee"
    ),
    "etf-global/v1/taxonomies": (
        "asset_class category composite_ticker country credit_quality_rating description development_class "
        "duration effective_date esg exposure_mechanism factor focus hedge_reset holdings_disclosure_frequency "
        "inception_date isin issuer leverage_reset leverage_style levered_amount management_classification "
        "management_style maturity objective primary_benchmark processed_date product_type rebalance_frequency "
        "reconstitution_frequency region secondary_objective selection_methodology selection_universe "
        "strategic_focus targeted_focus tax_classification us_code weighting_methodology"
    ),
    "fed/v1/inflation": ("cpi cpi_core cpi_year_over_year date pce pce_core pce_spending"),
    "fed/v1/inflation-expectations": (
        "date forward_years_5_to_10 market_10_year market_5_year model_10_year model_1_year model_30_year model_5_year"
    ),
    "fed/v1/labor-market": ("avg_hourly_earnings date job_openings labor_force_participation_rate unemployment_rate"),
    "fed/v1/treasury-yields": (
        "date yield_10_year yield_1_month yield_1_year yield_20_year yield_2_year yield_30_year yield_3_month "
        "yield_3_year yield_5_year yield_6_month yield_7_year"
    ),
    "futures/v1/aggs": (
        "close dollar_volume high low open session_end_date settlement_price ticker transactions volume window_start"
    ),
    "futures/v1/contracts": (
        "active date days_to_maturity first_trade_date group_code last_trade_date max_order_quantity "
        "min_order_quantity name product_code settlement_date settlement_tick_size spread_tick_size ticker "
        "trade_tick_size trading_venue type"
    ),
    "futures/v1/exchanges": ("acronym id locale mic name operating_mic type url"),
    "futures/v1/market-status": ("market_event name product_code session_end_date timestamp trading_venue"),
    "futures/v1/products": (
        "asset_class asset_sub_class date last_updated name price_quotation product_code sector "
        "settlement_currency_code settlement_method settlement_type sub_sector trade_currency_code trading_venue "
        "type unit_of_measure unit_of_measure_qty"
    ),
    "futures/v1/quotes": (
        "ask_price ask_size ask_timestamp bid_price bid_size bid_timestamp channel report_sequence "
        "sequence_number session_end_date ticker timestamp"
    ),
    "futures/v1/schedules": ("event product_code product_name session_end_date timestamp trading_venue"),
    "futures/v1/trades": ("channel price report_sequence sequence_number session_end_date size ticker timestamp"),
    "stocks/filings/10-K/vX/sections": ("cik filing_date filing_url period_end section text ticker"),
    "stocks/filings/8-K/vX/disclosures": (
        "accession_number cik filing_date filing_url primary_category secondary_category supporting_text "
        "tertiary_category tickers"
    ),
    "stocks/filings/8-K/vX/text": ("accession_number cik filing_date filing_url form_type items_text ticker"),
    "stocks/filings/vX/13-F": (
        "accession_number cusip file_number filer_cik filing_date filing_url film_number form_type "
        "investment_discretion issuer_name market_value other_managers period put_call shares_or_principal_amount "
        "shares_or_principal_type title_of_class voting_authority_none voting_authority_shared "
        "voting_authority_sole"
    ),
    "stocks/filings/vX/form-3": (
        "accession_number aff_10b5_one date_of_original_submission direct_or_indirect exercise_date "
        "exercise_price filing_date filing_url form_type is_director is_officer is_other is_ten_percent_owner "
        "issuer_cik issuer_name nature_of_ownership not_subject_to_section_16 officer_title owner_cik owner_name "
        "period_of_report remarks security_title security_type shares_owned tickers underlying_security_shares "
        "underlying_security_title"
    ),
    "stocks/filings/vX/form-4": (
        "accession_number aff_10b5_one date_of_original_submission deemed_execution_date direct_or_indirect "
        "equity_swap_involved exercise_date exercise_price expiration_date filing_date filing_url form_type "
        "is_director is_officer is_other is_ten_percent_owner issuer_cik issuer_name nature_of_ownership "
        "not_subject_to_section_16 officer_title owner_cik owner_name period_of_report record_type remarks "
        "security_title security_type shares_owned_following_transaction tickers transaction_acquired_disposed "
        "transaction_code transaction_date transaction_price_per_share transaction_shares transaction_timeliness "
        "transaction_value underlying_security_shares underlying_security_title"
    ),
    "stocks/filings/vX/index": ("accession_number cik filing_date filing_url form_type issuer_name ticker"),
    "stocks/filings/vX/risk-factors": (
        "cik filing_date primary_category secondary_category supporting_text tertiary_category ticker"
    ),
    "stocks/financials/v1/balance-sheets": (
        "accounts_payable accrued_and_other_current_liabilities accumulated_other_comprehensive_income "
        "additional_paid_in_capital cash_and_equivalents cik commitments_and_contingencies common_stock "
        "debt_current deferred_revenue_current filing_date fiscal_quarter fiscal_year goodwill "
        "intangible_assets_net inventories long_term_debt_and_capital_lease_obligations noncontrolling_interest "
        "other_assets other_current_assets other_equity other_noncurrent_liabilities period_end preferred_stock "
        "property_plant_equipment_net receivables retained_earnings_deficit short_term_investments tickers "
        "timeframe total_assets total_current_assets total_current_liabilities total_equity "
        "total_equity_attributable_to_parent total_liabilities total_liabilities_and_equity treasury_stock"
    ),
    "stocks/financials/v1/cash-flow-statements": (
        "cash_from_operating_activities_continuing_operations change_in_cash_and_equivalents "
        "change_in_other_operating_assets_and_liabilities_net cik depreciation_depletion_and_amortization "
        "dividends effect_of_currency_exchange_rate filing_date fiscal_quarter fiscal_year "
        "income_loss_from_discontinued_operations long_term_debt_issuances_repayments "
        "net_cash_from_financing_activities net_cash_from_financing_activities_continuing_operations "
        "net_cash_from_financing_activities_discontinued_operations net_cash_from_investing_activities "
        "net_cash_from_investing_activities_continuing_operations "
        "net_cash_from_investing_activities_discontinued_operations net_cash_from_operating_activities "
        "net_cash_from_operating_activities_discontinued_operations net_income noncontrolling_interests "
        "other_cash_adjustments other_financing_activities other_investing_activities other_operating_activities "
        "period_end purchase_of_property_plant_and_equipment sale_of_property_plant_and_equipment "
        "short_term_debt_issuances_repayments tickers timeframe"
    ),
    "stocks/financials/v1/income-statements": (
        "basic_earnings_per_share basic_shares_outstanding cik consolidated_net_income_loss cost_of_revenue "
        "depreciation_depletion_amortization diluted_earnings_per_share diluted_shares_outstanding "
        "discontinued_operations ebitda equity_in_affiliates extraordinary_items filing_date fiscal_quarter "
        "fiscal_year gross_profit income_before_income_taxes income_taxes interest_expense interest_income "
        "net_income_loss_attributable_common_shareholders noncontrolling_interest operating_income "
        "other_income_expense other_operating_expenses period_end preferred_stock_dividends_declared "
        "research_development revenue selling_general_administrative tickers timeframe total_operating_expenses "
        "total_other_income_expense"
    ),
    "stocks/financials/v1/ratios": (
        "average_volume cash cik current date debt_to_equity dividend_yield earnings_per_share enterprise_value "
        "ev_to_ebitda ev_to_sales free_cash_flow market_cap price price_to_book price_to_cash_flow "
        "price_to_earnings price_to_free_cash_flow price_to_sales quick return_on_assets return_on_equity ticker"
    ),
    "stocks/taxonomies/vX/disclosures": ("description primary_category secondary_category taxonomy tertiary_category"),
    "stocks/taxonomies/vX/risk-factors": ("description primary_category secondary_category taxonomy tertiary_category"),
    "stocks/v1/short-interest": ("avg_daily_volume days_to_cover settlement_date short_interest ticker"),
    "stocks/v1/short-volume": (
        "adf_short_volume adf_short_volume_exempt date exempt_volume nasdaq_carteret_short_volume "
        "nasdaq_carteret_short_volume_exempt nasdaq_chicago_short_volume nasdaq_chicago_short_volume_exempt "
        "non_exempt_volume nyse_short_volume nyse_short_volume_exempt short_volume short_volume_ratio ticker "
        "total_volume"
    ),
    "stocks/vX/float": ("effective_date free_float free_float_percent ticker"),
    "tmx/v1/corporate-events": (
        "company_name date isin name status ticker tmx_company_id tmx_record_id trading_venue type url"
    ),
    "vX/reference/ipos": (
        "announced_date currency_code final_issue_price highest_offer_price ipo_status isin issuer_name "
        "last_updated listing_date lot_size lowest_offer_price max_shares_offered min_shares_offered "
        "primary_exchange security_description security_type shares_outstanding ticker total_offer_size us_code"
    ),
}
